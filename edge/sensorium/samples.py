"""What a source yields: frames, audio chunks, lines of text, readings of any other sensor.

Each carries when it was captured on the session's clock [ns] and its place in the source's sequence, so that
modalities are paired by capture time, and what was dropped can be counted.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SampleError

Array: TypeAlias = NDArray[Any]

MAX_PIXELS = 64_000_000  # about four times a 16-megapixel phone camera: larger is a mistake or an attack


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: uint8 RGB, shape (height, width, 3)."""

    captured_ns: int
    seq: int
    image: NDArray[np.uint8]
    still: bool = False  # a photo shown on purpose: that it repeats is no fault

    def __post_init__(self) -> None:
        shape = self.image.shape
        if self.image.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise SampleError(f"a frame is uint8 (height, width, 3) RGB; given {self.image.dtype} {shape}")
        if shape[0] * shape[1] > MAX_PIXELS:
            raise SampleError(f"a frame has at most {MAX_PIXELS:,} pixels; given {shape[1]}x{shape[0]}")


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """A run of mono sound: float32 in [-1, 1], shape (n,); ``captured_ns`` is its first sample's time."""

    captured_ns: int
    seq: int
    samples: NDArray[np.float32]
    rate_hz: int
    echo: float = 0.0  # likeness, in [0, 1], to what the machine plays
    cleaned: NDArray[np.float32] | None = None  # (n,) without what the machine plays; None where it plays nothing

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim != 1:
            raise SampleError(
                f"an audio chunk is float32 (n,), one channel; given {self.samples.dtype} {self.samples.shape}"
            )
        if self.cleaned is not None and self.cleaned.shape != self.samples.shape:
            raise SampleError(
                f"what is cleaned of a chunk is as long as it, {self.samples.shape}; given {self.cleaned.shape}"
            )
        if self.rate_hz <= 0:
            raise SampleError(f"an audio chunk's rate is positive [Hz]; given {self.rate_hz}")

    @property
    def duration_ns(self) -> int:
        """How long it lasts [ns]."""
        return len(self.samples) * 1_000_000_000 // self.rate_hz

    @property
    def heard(self) -> NDArray[np.float32]:
        """What there is to listen to, (n,): finite, and without what the machine plays."""
        given = self.samples if self.cleaned is None else self.cleaned
        return np.nan_to_num(given, posinf=0.0, neginf=0.0)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of typed text."""

    captured_ns: int
    seq: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One reading of any other sensor (touch, IMU, gas): float32 (n,), in the units its source documents."""

    captured_ns: int
    seq: int
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.ndim != 1:
            raise SampleError(f"a reading is float32 (n,); given {self.values.dtype} {self.values.shape}")


Sample: TypeAlias = Frame | AudioChunk | Line | Reading
