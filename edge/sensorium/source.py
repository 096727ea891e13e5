"""What a device must offer to be a source of samples or a sink of sound. The devices package has real ones."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sensorium.samples import Sample


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What an opened source turned out to be."""

    description: str  # for a person: "640x480 at 30 fps", "USB mic, 48000 Hz, resampled to 16000 Hz"
    period_ns: int  # the usual time between two samples [ns]; 0 where there is none (typed text)
    notes: tuple[str, ...] = ()  # where what was given differs from what was asked
    measured: bool = False  # whether the period is no word of the device, but was measured for a moment while opening


class Source(Protocol):
    """A device or file that yields samples of one modality.

    One thread at a time opens and reads it, not always the same; only ``close`` may come at any time.
    """

    @property
    def modality(self) -> str:
        """``vision``, ``audio``, ``text``, or one that a user adds."""
        ...

    @property
    def name(self) -> str:
        """As the user wrote it: ``0``, ``rtsp://...``, ``talk.wav``."""
        ...

    @property
    def finite(self) -> bool:
        """Whether it ends by itself (a file), so that its end is no failure and is not retried."""
        ...

    def open(self) -> SourceInfo:
        """Open the device; raises SourceError with the reason, and leaves nothing half-open."""
        ...

    def read(self) -> Sample | None:
        """Wait for the next sample; None when a finite source has ended or the source was closed.

        Raises SourceError when the device is lost. Never waits longer than a second or so without a reason.
        """
        ...

    def close(self) -> None:
        """Release the device; a ``read`` under way returns soon. Twice is fine."""
        ...


@runtime_checkable
class StandsBy(Protocol):
    """A source that can wait for its lost device with less than ``close`` lets go of, to be back sooner."""

    def stand_by(self) -> None:
        """Release the device, ready to ``open`` it again soon; ``close`` ends that too, and nothing is left."""
        ...


class Wrapper:
    """What a source around another source takes over from it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def modality(self) -> str:
        """As the source's."""
        return self._source.modality

    @property
    def name(self) -> str:
        """As the source's."""
        return self._source.name

    @property
    def finite(self) -> bool:
        """As the source's."""
        return self._source.finite


class AudioSink(Protocol):
    """Where speech goes: a loudspeaker, a file, nowhere."""

    @property
    def name(self) -> str:
        """As the user wrote it."""
        ...

    def start(self, rate_hz: int) -> None:
        """Begin an utterance at this rate [Hz]; raises SinkError when the device will not open."""
        ...

    def write(self, samples: NDArray[np.float32]) -> None:
        """Play float32 (n,) in [-1, 1]; returns once handed to the device's buffer, at once after ``stop``."""
        ...

    def drain(self) -> None:
        """Wait until all that was written was heard, or ``stop``."""
        ...

    def stop(self) -> None:
        """Fall silent at once, from any thread; what is buffered is thrown away."""
        ...

    def close(self) -> None:
        """Release the device. Twice is fine."""
        ...
