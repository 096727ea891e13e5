"""Files read and prepared to a spec, one after another: those that cannot be read are counted and left out."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from sensorium.errors import SensoriumError
from sensorium.inputs import ImageInput, InputSpec, SoundInput, prepare_image, prepare_sound, stored_dtype
from sensorium.samples import Array
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.told import Told
from sensorium_compile.errors import CompileError
from sensorium_devices.images import read_image
from sensorium_devices.sound import read_audio

SOUND_SUFFIXES = frozenset(
    {".flac", ".wav", ".ogg", ".mp3", ".aif", ".aiff"}
)  # what libsndfile reads, of what is in use

Loaded = Iterable[tuple[str, Array]]  # what is added to the file's name ("", or "@3.5s"), and the stored sample


def pool_of(
    files: Sequence[tuple[str, int, str]], spec: InputSpec, load: Callable[[int], Loaded], told: Told, what: str
) -> Pool:
    """A pool from (name, label, group) of each file and ``load(i)``, which gives the samples of the i-th.

    A file for which ``load`` raises a SensoriumError is counted as ``unreadable``; raises CompileError when all are.
    """
    samples: list[Array] = []
    kept: list[tuple[str, int, str]] = []
    for i, (name, label, group) in enumerate(files):
        told.progress(what, i, len(files))
        try:
            for suffix, sample in load(i):
                samples.append(sample)
                kept.append((name + suffix, label, group))
        except SensoriumError as err:
            told.counts.add("unreadable", f"{name}: {str(err).rpartition(': ')[2]}")
    told.progress(what, len(files), len(files))
    if not samples:
        raise CompileError(f"none of the {len(files)} {what} can be read: {told.counts}")
    return Pool(
        np.stack(samples).astype(stored_dtype(spec), copy=False),
        np.array([label for _, label, _ in kept], np.int64),
        tuple(group for _, _, group in kept),
        tuple(name for name, _, _ in kept),
    )


def image_at(path: Path, spec: ImageInput) -> Loaded:
    """The picture, prepared."""
    return [("", prepare_image(read_image(path), spec))]


def sound_at(path: Path, spec: SoundInput, stride_s: float = 0.0) -> Loaded:
    """The loudest stretch of the file; with a stride, a stretch every so many seconds, the last one whole."""
    sound, _ = read_audio(path, spec.rate_hz)
    if stride_s <= 0 or len(sound) <= spec.samples:
        return [("", prepare_sound(sound, spec))]
    starts = range(0, len(sound) - spec.samples + 1, max(1, round(stride_s * spec.rate_hz)))
    return [(f"@{s / spec.rate_hz:g}s", prepare_sound(sound[s : s + spec.samples], spec)) for s in starts]


def need_image(spec: InputSpec, reader: str) -> ImageInput:
    """The spec, where it is of single pictures; raises CompileError."""
    if not isinstance(spec, ImageInput) or spec.frames != 1:
        raise CompileError(f"reader {reader} reads single pictures; the model's input is {_told(spec)}")
    return spec


def need_sound(spec: InputSpec, reader: str) -> SoundInput:
    """The spec, where it is of sound; raises CompileError."""
    if not isinstance(spec, SoundInput):
        raise CompileError(f"reader {reader} reads sound; the model's input is {_told(spec)}")
    return spec


def _told(spec: InputSpec) -> str:
    clip = f" of {spec.frames} frames" if isinstance(spec, ImageInput) and spec.frames != 1 else ""
    return f"of kind {spec.kind}{clip}: choose another reader or another kind"
