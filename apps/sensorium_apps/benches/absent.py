"""Each sense taken away and given back, then all at once: is every tick answered in time, and is what it says true?

Ours is a live session of a camera, a microphone and a touch sensor that are made up, with a real evidence fusion: the
chaos run with faults that are not drawn, so that its checker holds every percept against the truth (presence, age,
which senses an answer rests on).

MediaPipe and ROS: camera and microphone into one node, the microphone gives nothing; GStreamer: a compositor of two
live cameras, one of which gives nothing. Counted is what comes out for each frame of the one that is there.
"""

from typing import Any

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium_apps.benches.beside import Figures, Progress, beside, lines
from sensorium_apps.benches.floor import floor_line
from sensorium_apps.benches.peers import Answers
from sensorium_apps.benches.soak.outcome import Outcome, Plan
from sensorium_apps.benches.soak.real import run_real
from sensorium_apps.benches.soak.truth import SETTLED_NS
from sensorium_apps.benches.soak.world import PERIODS_NS, encoders
from sensorium_devices.faults import Fault, Kind

TICK_MS = 100
PEER_TICKS = 300  # ten seconds of a camera


def outages(seconds: float) -> tuple[Fault, ...]:
    """Each sense absent for so long, one after the other, then all; between them as long as any needs to be back."""
    away_ns, back_ns = int(seconds * NS_PER_S), SETTLED_NS + NS_PER_S
    turns = [*((name,) for name in PERIODS_NS), tuple(PERIODS_NS)]
    return tuple(
        Fault(name, Kind.END, back_ns + i * (away_ns + back_ns), away_ns)
        for i, names in enumerate(turns)
        for name in names
    )


def plan(faults: tuple[Fault, ...], *, virtual: bool) -> Plan:
    """A run through all of them, until every sense is back."""
    end_ns = max(fault.end_ns or 0 for fault in faults) + SETTLED_NS + NS_PER_S
    return Plan(end_ns, len(faults), 0, TICK_MS * NS_PER_MS, virtual)


def ours(seconds: float) -> Outcome:
    """A live session through all the outages."""
    faults = outages(seconds)
    return run_real(plan(faults, virtual=False), faults, encoders(), lambda *_: None)


def absent(
    seconds: float, rounds: int, names: tuple[str, ...] | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Figures, spread, floor, machine and what did not hold; the peers' beside."""
    outcomes: list[Outcome] = []

    def one_round() -> Answers:
        outcomes.append(ours(seconds))
        return Answers(ticks=outcomes[-1].ticks, answered=outcomes[-1].checker.percepts)

    told = beside(
        one_round, figures, Answers, "absent", {"ticks": PEER_TICKS}, rounds=rounds, names=names, progress=progress
    )
    checkers = [outcome.checker for outcome in outcomes]
    machine_late = [outcome.machine_late for outcome in outcomes if outcome.machine_late is not None]
    told["figures"] |= {
        "late_p99_ms": max(checker.lateness.at(0.99) for checker in checkers),
        "late_most_ms": max(checker.lateness.at(1) for checker in checkers),
        "judged_ratio": round(sum(c.judged for c in checkers) / max(1, sum(c.percepts for c in checkers)), 4),
        "violations": sum(len(checker.violations) for checker in checkers),
        "absences": sum(checker.faults_judged for checker in checkers),
    }
    told["floor"] |= {"wait_late_most_ms": max(late.at(1) for late in machine_late)}
    told["violations"] = [v.told for checker in checkers for v in checker.violations.values()]
    return told


def figures(answers: Answers) -> Figures:
    """The share of ticks that were answered."""
    return {"answered_ratio": round(answers.answered / answers.ticks, 4), "ticks": answers.ticks}


def absent_lines(told: dict[str, Any]) -> list[str]:
    """For a person."""
    own = told["figures"]
    return [
        floor_line(told["floor"]),
        *lines(told, lambda one: f"{one['figures']['answered_ratio']:7.1%} of {one['figures']['ticks']:.0f} answered"),
        f"ticks late     p99 {own['late_p99_ms']:.1f} ms, at most {own['late_most_ms']:.1f} ms (a thread that only "
        f"waits: {told['floor']['wait_late_most_ms']:.1f} ms)",
        f"true           {own['judged_ratio']:.0%} judged, {own['absences']} absences told, {own['violations']} wrong",
        *(f"  {wrong}" for wrong in told["violations"]),
    ]
