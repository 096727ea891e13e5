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


STALE_PERIODS = 2.75  # a stall is told within three sample intervals: a quarter of one is left for telling it
STALE_FLOOR_NS = 90 * NS_PER_MS  # for faster cameras, too: a scheduler's hiccup on a busy board is shorter
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
    return max(round(STALE_PERIODS * period_ns), floor_ns) if period_ns else 0


# Content of pictures. Luma is 0-255. The figures were chosen on photos and checked on dark, covered and frozen ones.
DARK_LUMA = 12.0  # mean below which nothing can be told
BRIGHT_LUMA = 243.0
COVERED_CONTRAST = 6.0  # spread of luma under a finger, a lens cap, a wall at 5 cm
LEAVE = 1.25  # by how much a fault that stands must be left behind: a picture at the limit is one fault, not twenty
LUMA_STEP, CELL = 4, 4  # one pixel in 4x4 is enough, and 4x4 of them are averaged: the noise of a sensor in the dark,
# which turns its gain up, would pass for contrast


def picture_fault(image: NDArray[np.uint8], standing: str | None = None) -> str | None:
    """Why this picture (height, width, 3) shows nothing: dark, over-exposed, covered; else None.

    ``standing``: the fault that it is to be compared with, which it must leave clearly.
    """
    luma = _luma(image)
    mean, contrast = float(luma.mean()), float(luma.std())
    if mean < DARK_LUMA * (LEAVE if standing == "dark" else 1):
        return "dark"
    flat = COVERED_CONTRAST * (LEAVE if standing in ("covered", "over-exposed") else 1)
    if mean > BRIGHT_LUMA and contrast < 2 * flat:
        return "over-exposed"
    return "covered" if contrast < flat else None


def _luma(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Luma by ITU-R BT.601, averaged over cells of 16x16 pixels where the picture is that large."""
    some = image[::LUMA_STEP, ::LUMA_STEP].astype(np.float32)
    small: NDArray[np.float32] = some @ np.array([0.299, 0.587, 0.114], np.float32)  # (h/4, w/4)
    rows, columns = small.shape[0] // CELL, small.shape[1] // CELL
    if rows < CELL or columns < CELL:
        return small
    cells = small[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    averaged: NDArray[np.float32] = cells.mean(axis=(1, 3))  # (h/16, w/16)
    return averaged


# Content of sound, float32 in [-1, 1].
MUTED_RMS = 2 / 32768  # -84 dBFS, two steps of a 16-bit converter: the quietest room is louder through a microphone
CLIPPED_LEVEL = 0.99
CLIPPED_SHARE = 0.01  # speech that peaks touches full scale for far less than 1% of samples
DC_OFFSET = 0.1  # a converter's own offset is below 0.01


def sound_fault(samples: NDArray[np.float32]) -> str | None:
    """Why this sound (n,) cannot be used: muted, clipped, DC offset, not finite; else None."""
    if not np.isfinite(samples).all():
        return "not finite"
    if float(samples.std()) < MUTED_RMS:  # about its mean: a converter's offset is no sound
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
REPEAT_STEP = 8  # one pixel in 8x8 tells most pictures apart; only where these repeat are all of them compared


class PictureHealth:
    """Content of a camera's pictures over time."""

    def __init__(self) -> None:
        self._hysteresis = Hysteresis(enter_ns=200 * NS_PER_MS, leave_ns=200 * NS_PER_MS)
        self._same_since_ns = 0
        self._previous: NDArray[np.uint8] | None = None

    def step(self, image: NDArray[np.uint8], at_ns: int, *, still: bool = False) -> str | None:
        """The fault that stands after this picture; a ``still`` one (a photo shown on purpose) may repeat.

        The picture is kept until the next, to compare; whoever gave it does not write into it.
        """
        fault = picture_fault(image, self._hysteresis.fault)
        if self._frozen(image, at_ns) and not still:
            fault = fault or "frozen"
        return self._hysteresis.step(fault, at_ns)

    def _frozen(self, image: NDArray[np.uint8], at_ns: int) -> bool:
        before, self._previous = self._previous, image
        if before is None or not _repeats(before, image):
            self._same_since_ns = at_ns
        return at_ns - self._same_since_ns >= FROZEN_NS


def _repeats(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> bool:
    """Whether two pictures are equal in every pixel."""
    some = slice(1, None, REPEAT_STEP)
    return np.array_equal(before[some, some], now[some, some]) and np.array_equal(before, now)


class SoundHealth:
    """Content of a microphone's sound over time."""

    def __init__(self) -> None:
        self._hysteresis = Hysteresis(enter_ns=500 * NS_PER_MS, leave_ns=100 * NS_PER_MS)

    def step(self, samples: NDArray[np.float32], at_ns: int) -> str | None:
        """The fault that stands after this run of samples."""
        return self._hysteresis.step(sound_fault(samples), at_ns)
