"""What must be told of a sense, given what fails: the truth that a chaos run holds percepts against."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sensorium.capture import AHEAD_NS, LAST_RETRY_S
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.events import Percept, Sensed
from sensorium.health import FROZEN_NS, State, stale_after_ns
from sensorium_apps.benches.soak.world import PERIODS_NS
from sensorium_devices.faults import Fault, Kind
from sensorium_devices.faulty import SLOW_PERIODS

# How long content must look bad before health tells it (its hysteresis), besides sampling.
PICTURE_NS = 200 * NS_PER_MS
SOUND_NS = 500 * NS_PER_MS
# A fault begins between two samples, is seen in the next, and its hysteresis ends between two others; one more for the
# sample that is being encoded.
SAMPLES = 3
LONGEST_DRIVER_PERIODS = SLOW_PERIODS + 1  # a read under way when another fault begins


class Expected(StrEnum):
    """What a fault does to a sense once it was noticed."""

    GONE = "stale or absent"
    DEGRADED = "degraded"
    LIVE = "live"
    EITHER = "live or stale"  # it comes and goes


@dataclass(frozen=True, slots=True)
class Rule:
    """What must be told of a fault that is alone, and how soon."""

    expected: Expected
    within_ns: int = 0  # after it began, besides SAMPLES periods
    reason: str = ""


_LOST = {
    Kind.END: Rule(Expected.GONE, 0, "stopped"),
    Kind.EXCEPTION: Rule(Expected.GONE, 0, "Input/output error"),
    Kind.BLOCKED: Rule(Expected.GONE),  # SAMPLES periods are what health waits
    Kind.HUNG: Rule(Expected.GONE),
}
_COMES_AND_GOES = dict.fromkeys((Kind.SLOW, Kind.BURST), Rule(Expected.EITHER))
_RULES: dict[str, dict[Kind, Rule]] = {
    "vision": {
        Kind.DARK: Rule(Expected.DEGRADED, PICTURE_NS, "dark"),
        Kind.BRIGHT: Rule(Expected.DEGRADED, PICTURE_NS, "over-exposed"),
        Kind.COVERED: Rule(Expected.DEGRADED, PICTURE_NS, "covered"),
        Kind.FROZEN: Rule(Expected.DEGRADED, FROZEN_NS + PICTURE_NS, "frozen"),
        Kind.SHAPE: Rule(Expected.GONE, 0, "a frame is uint8"),
    },
    "audio": {
        Kind.MUTED: Rule(Expected.DEGRADED, SOUND_NS, "muted"),
        Kind.CLIPPED: Rule(Expected.DEGRADED, SOUND_NS, "clipped"),
        Kind.NAN: Rule(Expected.DEGRADED, SOUND_NS, "not finite"),
        Kind.SHAPE: Rule(Expected.DEGRADED, 0, "failing"),
    },
}
_READINGS = {
    Kind.NAN: Rule(Expected.DEGRADED, 0, "not finite"),
    Kind.SHAPE: Rule(Expected.DEGRADED, 0, "failing"),
}
HARMLESS = Rule(Expected.LIVE)  # noise, late samples, wrong times: no reason to do without a sense


def rule(fault: Fault) -> Rule:
    """What must be told of it."""
    content = _RULES.get(fault.modality, _READINGS)
    return content.get(fault.kind) or _LOST.get(fault.kind) or _COMES_AND_GOES.get(fault.kind) or HARMLESS


def noticed_ns(fault: Fault) -> int:
    """How long after its beginning it must be told, where it is alone."""
    return rule(fault).within_ns + SAMPLES * PERIODS_NS[fault.modality]


def decisive(fault: Fault, at_ns: int) -> bool:
    """Whether one that is alone must be told by now, so long after the source was first opened."""
    if rule(fault).expected is Expected.EITHER:
        return False
    told_ns = 0 if rule(fault) is HARMLESS else noticed_ns(fault)
    return fault.active(at_ns) and at_ns - fault.start_ns > told_ns


def recovered_ns(fault: Fault) -> int:
    """How long after its end the sense must be live again: the longest wait between two tries, and what health asks."""
    retry_ns = int(LAST_RETRY_S * NS_PER_S) if rule(fault).expected is Expected.GONE else 0
    return retry_ns + PICTURE_NS + (LONGEST_DRIVER_PERIODS + SAMPLES) * PERIODS_NS[fault.modality]


# What any sense needs at most to be told as it is.
SETTLED_NS = max(recovered_ns(Fault(name, Kind.END, 0)) for name in PERIODS_NS)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, as it was first seen."""

    at_s: float
    invariant: str
    told: str
    faults: tuple[str, ...] = ()  # that were there


@dataclass(slots=True)
class Timeline:
    """The faults of one sense in order, and those that matter now: begun, and not yet recovered from."""

    faults: Sequence[Fault]
    _next: int = 0
    _current: list[Fault] = field(default_factory=list)

    def at(self, at_ns: int) -> list[Fault]:
        """The faults that may be noticed so long after the source was first opened; times must not run back."""
        while self._next < len(self.faults) and self.faults[self._next].start_ns <= at_ns:
            self._current.append(self.faults[self._next])
            self._next += 1
        self._current = [f for f in self._current if at_ns < (f.end_ns or at_ns + 1) + recovered_ns(f)]
        return self._current


def wrong(sensed: Sensed, faults: Sequence[Fault], at_ns: int, modality: str) -> str | None:
    """What is wrong with what was told of this sense, given its faults that matter now; else None."""
    if sensed.evidence and sensed.state is not State.LIVE:
        return "a sense that is not live has evidence"
    if sensed.age_ms is not None and sensed.age_ms < -AHEAD_NS / NS_PER_MS:
        return "evidence from the future"
    if not faults:
        return _wrong_live(sensed, modality)
    if len(faults) == 1:
        return _wrong_alone(sensed, faults[0], at_ns, modality)
    gone = [fault for fault in faults if rule(fault).expected is Expected.GONE and fault.active(at_ns)]
    patience_ns = LONGEST_DRIVER_PERIODS * PERIODS_NS[modality] + stale_after_ns(modality, PERIODS_NS[modality])
    if any(at_ns - fault.start_ns > patience_ns for fault in gone) and sensed.state in (State.LIVE, State.DEGRADED):
        return "a sense that is gone is told as present"
    return None


def _wrong_alone(sensed: Sensed, fault: Fault, at_ns: int, modality: str) -> str | None:
    expected = rule(fault).expected
    if expected is Expected.LIVE:
        return _wrong_live(sensed, modality)
    if not decisive(fault, at_ns):
        return None
    if expected is Expected.GONE and sensed.state not in (State.STALE, State.ABSENT):
        return "a sense that is gone is told as present"
    if expected is Expected.DEGRADED and sensed.state is not State.DEGRADED:
        return "a sense whose samples are useless is not told as degraded"
    return None if rule(fault).reason in sensed.reason else "the reason is not the fault's"


def _wrong_live(sensed: Sensed, modality: str) -> str | None:
    if sensed.state is not State.LIVE:
        return "a sense that is well is not told as live"
    if not sensed.evidence or sensed.age_ms is None:
        return "a sense that is well has no evidence"
    oldest_ms = stale_after_ns(modality, PERIODS_NS[modality]) / NS_PER_MS
    return None if sensed.age_ms <= oldest_ms else "the evidence of a sense that is well is old"


def wrong_sum(percept: Percept) -> str | None:
    """Whether candidates rest on other senses than those that are told to have evidence."""
    having = {name for name, sensed in percept.senses.items() if sensed.evidence}
    if any(set(candidate.contributions) != having for candidate in percept.candidates):
        return "an answer rests on other senses than it says"
    return None
