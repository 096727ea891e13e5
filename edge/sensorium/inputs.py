"""What a learned encoder takes, and how samples are made into it: the same code for training and for running.

A spec says what one modality's encoder takes. Each kind has a stored form, which data sets keep, and a tensor, which
the graph takes with one example in its batch:

    kind      from                               stored                         tensor
    image     uint8 (h, w, 3) RGB, any size      uint8 (height, width, 3)       float32 (1, 3, height, width), 0-255
    sound     float32 (n,) in [-1, 1]            float32 (samples,)             float32 (1, samples)
    text      a string                           int64 (tokens,), 0 is padding  int64 (1, tokens)
    readings  float32 (n, channels)              float32 (window, channels)     float32 (1, window, channels)

A video is an image spec with several ``frames``: stored uint8 (frames, height, width, 3), tensor float32
(1, frames, 3, height, width). Normalising and log-mel spectra belong into the graph.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sensorium.components.embedder import WordPiece
from sensorium.errors import SampleError
from sensorium.images import resize
from sensorium.samples import Array

SILENT = 1e-6  # amplitude: below the last bit of 24-bit sound, a window is not chosen by its energy
_HOP_S = 0.01  # by which the loudest window is searched: the hop of a spectrum


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ImageInput(_Input):
    """Pictures, or a clip of the newest ``frames`` of them."""

    kind: Literal["image"] = "image"
    height: int = Field(ge=8, le=1024)
    width: int = Field(ge=8, le=1024)
    fit: Literal["crop", "stretch"] = "crop"  # crop: the largest middle part of that shape; stretch: all of it
    frames: int = Field(default=1, ge=1, le=64)
    frame_period_ms: float = Field(default=100.0, gt=0)  # between two frames of a clip

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of one example as data sets keep it."""
        one = (self.height, self.width, 3)
        return one if self.frames == 1 else (self.frames, *one)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor, one example in its batch."""
        one = (3, self.height, self.width)
        return (1, *one) if self.frames == 1 else (1, self.frames, *one)


class SoundInput(_Input):
    """A stretch of mono sound."""

    kind: Literal["sound"] = "sound"
    rate_hz: Literal[16000] = 16000  # what every microphone of Sensorium gives
    samples: int = Field(ge=1600, le=480_000)  # 0.1 s to 30 s
    # When a running session looks at it: at the end of each utterance, or once a second at the newest stretch.
    listen: Literal["utterances", "always"] = "utterances"

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of one example as data sets keep it."""
        return (self.samples,)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor, one example in its batch."""
        return (1, self.samples)


class TextInput(_Input):
    """A line of text as WordPiece ids; the vocabulary is a file of the part."""

    kind: Literal["text"] = "text"
    tokens: int = Field(ge=3, le=512)  # [CLS] and [SEP] among them

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of one example as data sets keep it."""
        return (self.tokens,)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor, one example in its batch."""
        return (1, self.tokens)


class ReadingsInput(_Input):
    """The newest ``window`` readings of any other sensor."""

    kind: Literal["readings"] = "readings"
    channels: int = Field(ge=1, le=4096)
    window: int = Field(ge=1, le=65536)
    period_ms: float = Field(gt=0)  # the usual time between two readings

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of one example as data sets keep it."""
        return (self.window, self.channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor, one example in its batch."""
        return (1, self.window, self.channels)


InputSpec: TypeAlias = Annotated[ImageInput | SoundInput | TextInput | ReadingsInput, Field(discriminator="kind")]


def stored_dtype(spec: InputSpec) -> str:
    """The dtype of one example as data sets keep it."""
    return {"image": "uint8", "text": "int64"}.get(spec.kind, "float32")


def tensor_dtype(spec: InputSpec) -> str:
    """The dtype of the tensor that the graph takes."""
    return "int64" if spec.kind == "text" else "float32"


# To the stored form


def prepare_image(image: NDArray[Any], spec: ImageInput) -> NDArray[np.uint8]:
    """uint8 (h, w, 3) RGB of any size -> uint8 (height, width, 3); one of that size is given back as it is.

    Raises SampleError for anything else.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise SampleError(f"a picture is uint8 (height, width, 3) RGB; given {image.dtype} {image.shape}")
    if image.shape[:2] == (spec.height, spec.width):
        return image
    return resize(_middle(image, spec) if spec.fit == "crop" else image, spec.height, spec.width)


def prepare_clip(images: Sequence[NDArray[Any]], spec: ImageInput) -> NDArray[np.uint8]:
    """Exactly ``frames`` pictures, oldest first -> uint8 (frames, height, width, 3); raises SampleError."""
    if len(images) != spec.frames:
        raise SampleError(f"a clip has {spec.frames} pictures; given {len(images)}")
    return np.stack([prepare_image(image, spec) for image in images])


def prepare_sound(sound: NDArray[Any], spec: SoundInput) -> NDArray[np.float32]:
    """Float32 (n,) at ``rate_hz`` -> float32 (samples,); sound of that length is given back as it is.

    Longer: the stretch of that length that holds the most energy, the first of equal ones. Shorter: in the middle of
    zeros. Raises SampleError where it is empty, not mono float32, or holds NaN or infinity.
    """
    if sound.dtype != np.float32 or sound.ndim != 1 or len(sound) == 0:
        raise SampleError(f"sound is float32 (n,), one channel, not empty; given {sound.dtype} {sound.shape}")
    _check_finite(sound, "sound")
    missing = spec.samples - len(sound)
    if missing > 0:
        return np.pad(sound, (missing // 2, missing - missing // 2))
    start = 0 if missing == 0 else _loudest(sound, spec.samples, round(_HOP_S * spec.rate_hz))
    return sound[start : start + spec.samples]


def prepare_text(text: str, spec: TextInput, tokenizer: WordPiece) -> NDArray[np.int64]:
    """A string -> int64 (tokens,): ids with [CLS] and [SEP], cut where it is longer, then zeros.

    Raises SampleError where it is blank.
    """
    if not text.strip():
        raise SampleError("a text has at least one word; given a blank one")
    ids = tokenizer.encode(text)
    if len(ids) > spec.tokens:
        ids = [*ids[: spec.tokens - 1], ids[-1]]  # the last is [SEP]
    out = np.zeros(spec.tokens, np.int64)
    out[: len(ids)] = ids
    return out


def prepare_readings(readings: NDArray[Any], spec: ReadingsInput) -> NDArray[np.float32]:
    """Float32 (n, channels), oldest first -> the newest float32 (window, channels).

    Fewer than ``window``: the oldest is repeated before them. Raises SampleError where there are none, another number
    of channels, NaN or infinity.
    """
    if readings.dtype != np.float32 or readings.ndim != 2 or readings.shape[1] != spec.channels or len(readings) == 0:
        raise SampleError(
            f"readings are float32 (n, {spec.channels}), at least one; given {readings.dtype} {readings.shape}"
        )
    _check_finite(readings, "readings")
    newest = readings[-spec.window :]
    missing = spec.window - len(newest)
    return newest if missing == 0 else np.concatenate([np.repeat(newest[:1], missing, axis=0), newest])


# From the stored form to the tensor


def to_tensor(stored: Array, spec: InputSpec) -> Array:
    """One stored example -> the tensor that the graph takes, one example in its batch; raises SampleError."""
    return to_batch(stored[None], spec)


def to_batch(stored: Array, spec: InputSpec) -> Array:
    """Stored examples (n, ...) -> the tensor (n, ...) that an encoder is trained on; raises SampleError."""
    if stored.shape[1:] != spec.stored_shape or stored.dtype != stored_dtype(spec):
        raise SampleError(
            f"an example of kind {spec.kind} is {stored_dtype(spec)} {spec.stored_shape}; "
            f"given {stored.dtype} {stored.shape[1:]}"
        )
    if spec.kind == "image":
        return np.ascontiguousarray(np.moveaxis(stored, -1, -3), dtype=np.float32)
    return np.ascontiguousarray(stored)


def _middle(image: NDArray[np.uint8], spec: ImageInput) -> NDArray[np.uint8]:
    """The largest middle part that has the shape of the spec; a view."""
    height, width = image.shape[:2]
    scale = min(height / spec.height, width / spec.width)
    kept_height = min(max(round(spec.height * scale), 1), height)
    kept_width = min(max(round(spec.width * scale), 1), width)
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return image[top : top + kept_height, left : left + kept_width]


def _loudest(sound: NDArray[np.float32], length: int, hop: int) -> int:
    """Where the stretch of ``length`` samples with the most energy begins, in steps of ``hop`` samples."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound.astype(np.float64)))])  # (n + 1,)
    starts = np.arange(0, len(sound) - length + 1, hop)
    inside = energy[starts + length] - energy[starts]
    best = inside.max()
    if best <= length * SILENT**2:
        return int((len(sound) - length) // 2)
    # Many places hold nearly all of a short sound: the middle one has it in the middle.
    good = np.flatnonzero(inside >= best * 0.999)
    first = good[: int(np.argmax(np.diff(good, append=good[-1] + 2) > 1)) + 1]  # the first run of neighbours
    return int(starts[first[(len(first) - 1) // 2]])


def _check_finite(values: NDArray[np.float32], what: str) -> None:
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise SampleError(f"{what} with {bad} of {values.size} values NaN or infinite; repair or drop them")
