"""The pure rule that moves a session up and down its ladder: ``step(rungs, standing, readings, now_ns) -> standing``.

It goes down where a reading is as bad as the next rung's limit, and up again in calm: always, however often a try
fails, and at most one rung at a time, so that it neither stays below for good nor swings. ``Footing`` gathers what it
is asked with.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sensorium.clock import NS_PER_S
from sensorium.events import RungChanged
from sensorium.ladder import Readings, Rung, calm, cause, good, in_words

# Only a try tells whether the rung above is still too much. One that failed is made again after twice as long, at most
# so many doublings; at once where a reading is half of what it was then, for that shows that the load is gone.
DOUBLINGS = 5  # with 5 s on a rung, 160 s: then less than 5% of ticks are made where it is too much
RELAPSE = 3  # stays after going up within which going down again counts as a try that failed
BETTER = 0.5
# Where readings of time are neither good nor bad, as on a machine that is always a little late, the rung above is tried
# after so many stays: with 5 s a minute, so that a try that fails spoils at most one tick in twelve, then one in 24 ...
# and the next one as soon as that try has not failed.
CALM_STAYS = 12
WINDOW = 20  # ticks whose lateness is judged together: their 95th percentile is the second latest, so one is no cause
FAILURES_NS = 60 * NS_PER_S  # for so long a backend's failure counts


@dataclass(frozen=True, slots=True)
class Try:
    """The last time that a rung was gone up to."""

    level: int
    late_ms: float | None = None  # the least that was read before it was tried ...
    behind_ms: float | None = None
    failed: int = 0  # ... while it failed so many times in a row


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a session stands, and what the next step needs to know."""

    level: int = 0  # 0 is the top
    since_ns: int | None = None  # when it came there; None: it began there
    cause: str = ""  # why it came there
    good_ns: int | None = None  # since when readings are good enough to leave
    calm_ns: int | None = None  # since when none is bad, though those of time may not be good either
    tried: Try | None = None


def step(rungs: Sequence[Rung], standing: Standing, readings: Readings, now_ns: int) -> Standing:
    """Where to stand after these readings: at most one rung away, and not before the stay on this one is over."""
    rung, level = rungs[standing.level], standing.level
    good_ns = _since(standing.good_ns, level > 0 and good(readings, rung.leave), now_ns)
    calm_ns = _since(standing.calm_ns, level > 0 and calm(readings, rung), now_ns)
    stayed_ns = rung.stay_ns if standing.since_ns is None else now_ns - standing.since_ns
    why = cause(readings, rungs[level + 1].enter) if level + 1 < len(rungs) else None
    if why is not None and stayed_ns >= rung.stay_ns:
        return Standing(level + 1, now_ns, why, tried=_after_leaving(standing, stayed_ns < RELAPSE * rung.stay_ns))
    patience_ns = rung.stay_ns << _doublings(standing, readings)
    if why is None and good_ns is not None and now_ns - good_ns >= patience_ns:
        why = f"good again: {in_words(readings, rung.leave)}"
        return Standing(level - 1, now_ns, why, tried=_try(standing, readings))
    if why is None and calm_ns is not None and now_ns - calm_ns >= _calm_stays(standing) * patience_ns:
        why = f"not bad for {(now_ns - calm_ns) / NS_PER_S:.0f} s: {in_words(readings, rung.leave)}"
        return Standing(level - 1, now_ns, why, tried=_try(standing, readings))
    return replace(standing, good_ns=good_ns, calm_ns=calm_ns)


def _since(before_ns: int | None, holds: bool, now_ns: int) -> int | None:
    """Since when it holds without a break."""
    if not holds:
        return None
    return now_ns if before_ns is None else before_ns


def _try(standing: Standing, readings: Readings) -> Try:
    """Going up from there."""
    level, before = standing.level - 1, standing.tried
    if before is None or before.level != level:
        return Try(level, readings.late_ms, readings.behind_ms)
    late_ms, behind_ms = _least(before.late_ms, readings.late_ms), _least(before.behind_ms, readings.behind_ms)
    return Try(level, late_ms, behind_ms, before.failed)


def _after_leaving(standing: Standing, soon: bool) -> Try | None:
    """What is known of tries once it goes down from there."""
    tried = standing.tried
    if tried is None or tried.level != standing.level:
        return tried
    return replace(tried, failed=min(tried.failed + 1, DOUBLINGS)) if soon else None


def _doublings(standing: Standing, readings: Readings) -> int:
    """How often the patience is doubled before the rung above is tried."""
    tried = standing.tried
    if tried is None or tried.level != standing.level - 1:
        return 0
    pairs = ((readings.late_ms, tried.late_ms), (readings.behind_ms, tried.behind_ms))
    better = any(now is not None and then is not None and now < BETTER * then for now, then in pairs)
    return 0 if better else tried.failed


def _calm_stays(standing: Standing) -> int:
    """For how many stays readings of time that are not good must not be bad either."""
    came_up = standing.tried is not None and standing.tried.level == standing.level
    return RELAPSE if came_up else CALM_STAYS


def _least(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


class Footing:
    """Where a session stands on its ladder, and what was read lately."""

    def __init__(self, ladder: Sequence[Rung]) -> None:
        self.readings = Readings()  # of the machine
        self._ladder = ladder
        self._standing = Standing()
        self._late_ms, self._behind_ms = (deque[float](maxlen=WINDOW) for _ in range(2))  # of ticks on this rung
        self._failed_ns: tuple[int, ...] = ()  # when backends were replaced

    @property
    def rung(self) -> Rung:
        """The one that the session stands on."""
        return self._ladder[self._standing.level]

    def failed(self, now_ns: int) -> None:
        """A backend was replaced."""
        self._failed_ns = (*self._failed_ns, now_ns)

    def tick(self, late_ms: float, behind_ms: float, now_ns: int) -> RungChanged | None:
        """A tick was so late, and what it rests on so old: up or down, or neither."""
        self._late_ms.append(late_ms)
        self._behind_ms.append(behind_ms)
        self._failed_ns = tuple(at_ns for at_ns in self._failed_ns if now_ns - at_ns < FAILURES_NS)
        late, behind, failures = _p95(self._late_ms), _p95(self._behind_ms), len(self._failed_ns)
        readings = replace(self.readings, late_ms=late, behind_ms=behind, failures=failures)
        before, previous = self._standing.level, self.rung.name
        self._standing = step(self._ladder, self._standing, readings, now_ns)
        if self._standing.level == before:
            return None
        self._late_ms.clear()
        self._behind_ms.clear()
        return RungChanged(now_ns, self.rung.name, previous, self._standing.cause)


def _p95(values: deque[float]) -> float | None:
    """The 95th percentile of a whole window; None of less."""
    return sorted(values)[WINDOW * 95 // 100 - 1] if len(values) == WINDOW else None
