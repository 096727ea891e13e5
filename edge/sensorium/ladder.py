"""Trading quality for time: the rungs that a session can stand on, and the pure rule that moves between them."""

from collections import deque
from dataclasses import dataclass

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.events import RungChanged


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of degradation."""

    name: str
    vision_period_ns: int  # at least this long between two pictures that are looked at


RUNGS = (Rung("full", 0), Rung("fewer pictures", 500 * NS_PER_MS), Rung("rare pictures", 2 * NS_PER_S))
WINDOW = 20  # ticks whose lateness is judged together
LATE_MS = 50.0  # a quarter of the default tick: later, and answers lag behind what they speak of
EARLY_MS = 10.0
STAY_NS = 5 * NS_PER_S  # on a rung before the next change, so that it does not swing


class Ladder:
    """Steps down when ticks come late, up again when they have long been in time."""

    def __init__(self) -> None:
        self._level = 0
        self._lateness_ms: deque[float] = deque(maxlen=WINDOW)
        self._changed_ns: int | None = None

    @property
    def rung(self) -> Rung:
        """Where it stands."""
        return RUNGS[self._level]

    def step(self, lateness_ms: float, now_ns: int) -> RungChanged | None:
        """Take in how late one tick was; returns the change that follows, if any."""
        self._lateness_ms.append(lateness_ms)
        settled = self._changed_ns is None or now_ns - self._changed_ns >= STAY_NS
        if len(self._lateness_ms) < WINDOW or not settled:
            return None
        p95_ms = sorted(self._lateness_ms)[WINDOW * 95 // 100 - 1]
        if p95_ms > LATE_MS and self._level + 1 < len(RUNGS):
            return self._move(1, f"ticks {p95_ms:.0f} ms late", now_ns)
        if p95_ms < EARLY_MS and self._level > 0:
            return self._move(-1, "ticks in time again", now_ns)
        return None

    def _move(self, by: int, cause: str, now_ns: int) -> RungChanged:
        previous = self.rung.name
        self._level += by
        self._changed_ns = now_ns
        self._lateness_ms.clear()
        return RungChanged(now_ns, self.rung.name, previous, cause)
