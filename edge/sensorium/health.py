"""The judgement on a stream: do samples arrive, and is there anything in them?

``live`` samples arrive in time and hold something; ``degraded`` they arrive but are dark, frozen, muted ...;
``stale`` the next one is overdue; ``absent`` there is no source, or it was lost. Judged by pure functions of what was
measured, with hysteresis, so that a flicker is not an event.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S


class State(StrEnum):
    """How a modality is doing, from best to worst."""

    LIVE = "live"
    DEGRADED = "degraded"
    STALE = "stale"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Health:
    """The judgement on one modality."""

    state: State
    reason: str = ""  # why it is not live, for a person
    since_ns: int = 0  # when it became so: for stale and absent, the time of the last sample

    @property
    def present(self) -> bool:
        """Whether new samples may count as evidence."""
        return self.state in (State.LIVE, State.DEGRADED)


STALE_PERIODS = 3  # a stall is told within three sample intervals
STALE_FLOOR_NS = 100 * NS_PER_MS  # three frames at 30 fps; a scheduler's hiccup on a busy board is shorter
SOUND_FLOOR_NS = 250 * NS_PER_MS  # drivers and networks hand sound over in bursts of up to 200 ms
ABSENT_AFTER_NS = 2 * NS_PER_S  # longer than any camera's exposure change or a network's retransmission


def arrival(age_ns: int, stale_ns: int) -> State:
    """Whether samples still arrive: the last came ``age_ns`` ago, one is overdue from ``stale_ns`` on (0: never)."""
    if stale_ns == 0 or age_ns <= stale_ns:
        return State.LIVE
    return State.STALE if age_ns < max(ABSENT_AFTER_NS, 2 * stale_ns) else State.ABSENT


def stale_after_ns(modality: str, period_ns: int) -> int:
    """The age [ns] from which on the last sample is stale, where one is usual every ``period_ns`` (0: no rate)."""
    floor_ns = SOUND_FLOOR_NS if modality == "audio" else STALE_FLOOR_NS
    return max(STALE_PERIODS * period_ns, floor_ns) if period_ns else 0


# Content of pictures. Luma is 0-255. The figures were chosen on photos and checked on dark, covered and frozen ones.
DARK_LUMA = 12.0  # mean below which nothing can be told
BRIGHT_LUMA = 243.0
COVERED_CONTRAST = 6.0  # standard deviation of luma under a finger, a lens cap, a wall at 5 cm
LUMA_STEP = 8  # one pixel in 8x8 is enough for a mean and a spread


def picture_fault(image: NDArray[np.uint8]) -> str | None:
    """Why this picture (height, width, 3) shows nothing: dark, over-exposed, covered; else None."""
    luma = _luma(image)
    mean, contrast = float(luma.mean()), float(luma.std())
    if mean < DARK_LUMA:
        return "dark"
    if mean > BRIGHT_LUMA and contrast < 2 * COVERED_CONTRAST:
        return "over-exposed"
    return "covered" if contrast < COVERED_CONTRAST else None


def _luma(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = image[::LUMA_STEP, ::LUMA_STEP].astype(np.float32)  # (h/8, w/8, 3)
    return small @ np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


# Content of sound, float32 in [-1, 1].
MUTED_RMS = 10 ** (-80 / 20)  # -80 dBFS: below any room's noise in a 16-bit converter
CLIPPED_LEVEL = 0.99
CLIPPED_SHARE = 0.01  # speech that peaks touches full scale for far less than 1% of samples
DC_OFFSET = 0.1  # a converter's own offset is below 0.01


def sound_fault(samples: NDArray[np.float32]) -> str | None:
    """Why this sound (n,) cannot be used: muted, clipped, DC offset, not finite; else None."""
    if not np.isfinite(samples).all():
        return "not finite"
    if float(np.sqrt(np.mean(samples**2))) < MUTED_RMS:
        return "muted"
    if float(np.mean(np.abs(samples) >= CLIPPED_LEVEL)) > CLIPPED_SHARE:
        return "clipped"
    return "DC offset" if abs(float(samples.mean())) > DC_OFFSET else None


class Hysteresis:
    """Lets a fault through once it has lasted, and lets it go once it has been gone for as long."""

    def __init__(self, enter_ns: int, leave_ns: int) -> None:
        self._enter_ns, self._leave_ns = enter_ns, leave_ns
        self.fault: str | None = None  # what stands
        self._other: str | None = None  # what would replace it
        self._other_since_ns = 0

    def step(self, seen: str | None, at_ns: int) -> str | None:
        """The fault that stands after ``seen`` was measured at ``at_ns``."""
        if seen == self.fault:
            self._other = self.fault
            return self.fault
        if seen != self._other:
            self._other, self._other_since_ns = seen, at_ns
        needed = self._leave_ns if seen is None else self._enter_ns
        if at_ns - self._other_since_ns >= needed:
            self.fault = seen
        return self.fault


FROZEN_NS = 700 * NS_PER_MS  # an exact repeat this long: a still scene's sensor noise differs in every frame


class PictureHealth:
    """Content of a camera's pictures over time."""

    def __init__(self) -> None:
        self._hysteresis = Hysteresis(enter_ns=200 * NS_PER_MS, leave_ns=200 * NS_PER_MS)
        self._same_since_ns = 0
        self._previous: NDArray[np.uint8] | None = None

    def step(self, image: NDArray[np.uint8], at_ns: int, *, still: bool = False) -> str | None:
        """The fault that stands after this picture; a ``still`` one (a photo shown on purpose) may repeat."""
        fault = picture_fault(image)
        if self._frozen(image, at_ns) and not still:
            fault = fault or "frozen"
        return self._hysteresis.step(fault, at_ns)

    def _frozen(self, image: NDArray[np.uint8], at_ns: int) -> bool:
        sampled = image[1::LUMA_STEP, 1::LUMA_STEP]
        same = self._previous is not None and np.array_equal(sampled, self._previous)
        if not same:
            self._same_since_ns = at_ns
            self._previous = sampled.copy()
        return at_ns - self._same_since_ns >= FROZEN_NS


class SoundHealth:
    """Content of a microphone's sound over time."""

    def __init__(self) -> None:
        self._hysteresis = Hysteresis(enter_ns=500 * NS_PER_MS, leave_ns=100 * NS_PER_MS)

    def step(self, samples: NDArray[np.float32], at_ns: int) -> str | None:
        """The fault that stands after this run of samples."""
        return self._hysteresis.step(sound_fault(samples), at_ns)
