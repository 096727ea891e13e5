"""What a chaos run has found, as figures."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from sensorium.clock import NS_PER_S
from sensorium_apps.benches.machine import machine
from sensorium_apps.benches.soak.checker import Checker
from sensorium_apps.benches.soak.lateness import Lateness
from sensorium_apps.benches.soak.memory import Held, Memory

Progress: TypeAlias = Callable[[int, int], None]  # done and total [ns]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a chaos run is asked to do."""

    length_ns: int
    faults: int
    seed: int
    tick_ns: int
    virtual: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured until the end, or until Ctrl-C."""

    plan: Plan
    checker: Checker
    memory: Held
    lasted_ns: int
    took_s: float  # on the wall
    ticks: int  # that were due
    threads_leaked: int
    fds_leaked: int
    interrupted: bool
    machine_late: Lateness | None = None  # a thread that only waits, in real time

    def told(self) -> dict[str, Any]:
        """Figures, floor and machine."""
        checker, resident, in_use = self.checker, self.memory.resident, self.memory.in_use
        begun = sum(fault.start_ns < self.lasted_ns for fault in checker.faults)
        late = self.machine_late
        return {
            "figures": {
                "answered_ratio": round(checker.answered / self.ticks, 6) if self.ticks else None,
                "late_p99_ms": checker.lateness.at(0.99),
                "violations": len(checker.violations),
                "faults": begun,
                "faults_judged": checker.faults_judged,
                "ticks": self.ticks,
                "judged_ratio": round(checker.judged / checker.percepts, 4) if checker.percepts else None,
                "slope_mb_per_h": _slope(in_use),
                "growth_mb": None if in_use is None else round(in_use.growth_mb, 3),
                "rss_slope_mb_per_h": _slope(resident),
                "rss_growth_mb": round(resident.growth_mb, 3),
                "threads_leaked": self.threads_leaked,
                "fds_leaked": self.fds_leaked,
            },
            "floor": {"wait_late_p99_ms": late.at(0.99) if late else None, "rss_mb": round(resident.first_mb, 1)},
            "memory": {
                "in_use_mb": None if in_use is None else in_use.series(),  # pairs of seconds and 10^6 bytes
                "resident_mb": resident.series(),
            },
            "violations": [asdict(violation) for violation in checker.violations.values()],
            "run": {
                "seed": self.plan.seed,
                "virtual": self.plan.virtual,
                "lasted_s": round(self.lasted_ns / NS_PER_S, 1),
                "took_s": round(self.took_s, 1),
                "interrupted": self.interrupted,
            },
            "machine": machine(),
        }


def _slope(memory: Memory | None) -> float | None:
    slope = None if memory is None else memory.slope_mb_per_h
    return None if slope is None else round(slope, 4)
