"""What a fault does to a sample: to what is in it, its shape, its capture time."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sensorium.clock import NS_PER_S
from sensorium.samples import Array, AudioChunk, Frame, Line, Reading, Sample
from sensorium_devices.faults import Fault, Kind, Schedule

DARK_SHIFT = 5  # bits of every pixel that are lost: 7 of 255 is left of white
COVERED_LUMA = 90  # the red of a finger before a lens, as a grey
COVERED_NOISE = 3  # a sensor's own, so that it is not frozen
PICTURE_NOISE = 40.0  # standard deviation [0-255]: ISO 25,600
SOUND_NOISE = 0.1  # -20 dB of full scale: a loose plug
READING_NOISE = 0.5  # share of a value
NAN_SHARE = 0.1  # of the samples of a chunk
JUMP_S = (10, 3600)  # a network's time came late; a summer time was set

Dice = np.random.Generator
Spoil = Callable[[Array, Dice], Array]


class Spoiler:
    """Applies the faults that are active to one sample after the other. ``dice`` drives noise and jumps."""

    def __init__(self, faults: Sequence[Fault], dice: Dice) -> None:
        self._schedule = Schedule(faults)
        self._dice = dice
        self._jumps_ns = {f: _jump_ns(dice) for f in faults if f.kind is Kind.JUMP}
        self._frozen: Array | None = None  # the content that repeats
        self._last_ns: int | None = None  # capture time of the last sample whose time was right

    def step(self, sample: Sample, at_ns: int) -> Sample:
        """The sample as it comes out, so long [ns] after the source was first opened.

        Raises SampleError for a picture of the wrong shape, as a source does whose driver gives one.
        """
        active = self._schedule.at(at_ns)
        if not active:
            self._frozen, self._last_ns = None, sample.captured_ns
            return sample
        if not isinstance(sample, Line):
            kinds = [fault.kind for fault in active]
            content = self._freeze(_content(sample), Kind.FROZEN in kinds)
            for spoil in (_SPOILS.get((kind, type(sample))) for kind in kinds):
                content = spoil(content, self._dice) if spoil is not None else content
            sample = _with(sample, content)
        return replace(sample, captured_ns=self._time(sample.captured_ns, active))

    def _freeze(self, content: Array, frozen: bool) -> Array:
        if not frozen:
            self._frozen = None
            return content
        if self._frozen is None:
            self._frozen = content.copy()
        return self._frozen

    def _time(self, captured_ns: int, active: Sequence[Fault]) -> int:
        kinds = [fault.kind for fault in active]
        if self._last_ns is None or not {Kind.DUPLICATE, Kind.BACKWARD} & set(kinds):
            self._last_ns = captured_ns
        if Kind.BACKWARD in kinds:
            captured_ns = 2 * self._last_ns - captured_ns
        elif Kind.DUPLICATE in kinds:
            captured_ns = self._last_ns
        return captured_ns + sum(self._jumps_ns.get(fault, 0) for fault in active)


def _jump_ns(dice: Dice) -> int:
    return int(dice.choice([-1, 1])) * int(dice.integers(*JUMP_S)) * NS_PER_S


def _content(sample: Frame | AudioChunk | Reading) -> Array:
    if isinstance(sample, Frame):
        return sample.image
    return sample.samples if isinstance(sample, AudioChunk) else sample.values


def _with(sample: Frame | AudioChunk | Reading, content: Array) -> Frame | AudioChunk | Reading:
    if isinstance(sample, Frame):
        return replace(sample, image=content)
    return replace(sample, samples=content) if isinstance(sample, AudioChunk) else replace(sample, values=content)


def _covered(image: Array, dice: Dice) -> Array:
    return dice.integers(COVERED_LUMA, COVERED_LUMA + COVERED_NOISE, image.shape, dtype=np.uint8)


def _noisy_image(image: Array, dice: Dice) -> Array:
    return np.clip(image + dice.normal(0, PICTURE_NOISE, image.shape), 0, 255).astype(np.uint8)


def _noisy_sound(samples: Array, dice: Dice) -> Array:
    return np.clip(samples + dice.normal(0, SOUND_NOISE, samples.shape), -1, 1).astype(np.float32)


def _noisy_values(values: Array, dice: Dice) -> Array:
    return (values * (1 + dice.normal(0, READING_NOISE, values.shape))).astype(np.float32)


def _partly_nan(samples: Array, dice: Dice) -> Array:
    return np.where(dice.random(samples.shape) < NAN_SHARE, np.float32(np.nan), samples)


_SPOILS: dict[tuple[Kind, type[Sample]], Spoil] = {
    (Kind.DARK, Frame): lambda image, _: image >> DARK_SHIFT,
    (Kind.BRIGHT, Frame): lambda image, _: np.full_like(image, 255),
    (Kind.COVERED, Frame): _covered,
    (Kind.NOISE, Frame): _noisy_image,
    (Kind.SHAPE, Frame): lambda image, _: image[..., 0],  # (height, width)
    (Kind.MUTED, AudioChunk): lambda samples, _: np.zeros_like(samples),
    (Kind.CLIPPED, AudioChunk): lambda samples, _: np.sign(samples),
    (Kind.NOISE, AudioChunk): _noisy_sound,
    (Kind.NAN, AudioChunk): _partly_nan,
    (Kind.SHAPE, AudioChunk): lambda samples, _: samples[: len(samples) // 2],
    (Kind.NOISE, Reading): _noisy_values,
    (Kind.NAN, Reading): lambda values, _: np.full_like(values, np.nan),
    (Kind.SHAPE, Reading): lambda values, _: values[:-1],
}
