"""What is known of one modality: is it there, what is the newest evidence in it, how old is that?"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.events import Sensed
from sensorium.evidence import Evidence
from sensorium.health import Health, State, arrival

TOLD_AGAIN_NS = 10 * NS_PER_S  # a part that fails on every sample is told so often, not thirty times a second


@dataclass(slots=True)
class Failures:
    """When each reason was last told."""

    _told_ns: dict[str, int] = field(default_factory=dict)

    def new(self, reasons: Sequence[str], now_ns: int) -> list[str]:
        """Those of ``reasons`` that are to be told now."""
        if not reasons:
            return []
        told = {reason: at_ns for reason, at_ns in self._told_ns.items() if now_ns - at_ns < TOLD_AGAIN_NS}
        new = [reason for reason in dict.fromkeys(reasons) if reason not in told]
        self._told_ns = told | dict.fromkeys(new, now_ns)
        return new


@dataclass(slots=True)
class Sense:
    """What is known of one modality."""

    health: Health = field(default_factory=lambda: Health(State.ABSENT, "not connected yet"))
    connected: bool = False
    stale_ns: int = 0  # age from which on a sample is overdue; 0: never
    opened_ns: int = 0
    last_ns: int = 0  # arrival of the newest sample
    fault: str | None = None  # of what is in the samples
    rate_fault: str | None = None  # of how they come; what is in them counts nonetheless
    evidence: dict[str, Evidence] = field(default_factory=dict)  # by sense: a modality may have several
    failures: Failures = field(default_factory=Failures)
    behind_ns: int = 0  # age of a sample when it was known what it shows: the oldest since the last tick, or before
    looked: bool = False  # since the last tick

    def look(self, age_ns: int) -> None:
        """Something was found in a sample of that age."""
        self.behind_ns = max(self.behind_ns, age_ns) if self.looked else age_ns
        self.looked = True

    def is_as_told(self, now_ns: int) -> bool:
        """Whether it is live and was told to be: what is usual, and found without a new judgement."""
        told = self.health.state is State.LIVE and self.fault is self.rate_fault is None
        return told and arrival(now_ns - max(self.last_ns, self.opened_ns), self.stale_ns) is State.LIVE

    def judge(self, now_ns: int) -> Health:
        """The health of a connected one, from when its last sample came and what was in it."""
        last_ns = max(self.last_ns, self.opened_ns)
        state = arrival(now_ns - last_ns, self.stale_ns)
        if state is not State.LIVE:
            return Health(state, "no samples", last_ns)
        fault = self.fault or self.rate_fault
        if fault is not None:
            return Health(State.DEGRADED, fault, now_ns)
        return Health(State.LIVE, "", now_ns)

    def current(self, now_ns: int) -> list[Evidence]:
        """What an answer may rest on."""
        if not self.health.present:
            return []
        return [e for e in self.evidence.values() if now_ns <= e.lasts_until_ns]

    def sensed(self, now_ns: int) -> Sensed:
        """What a percept tells of it."""
        newest_ns = max((e.captured_ns for e in self.evidence.values()), default=None)
        age_ms = None if newest_ns is None else (now_ns - newest_ns) / NS_PER_MS
        return Sensed(self.health.state, self.health.reason, age_ms, bool(self.current(now_ns)))
