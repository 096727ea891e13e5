"""Whether a session keeps its deadline under a load and in the heat by going down its ladder, and goes up again.

A real session in real time: pictures and an encoder that works as long as a small vision model does. First other
processes take all the processor there is; then a file says 90 °C, where Linux tells temperatures. The floor is how late
a bare thread is that sleeps from tick to tick, in the same load, and before it: where others kept the machine busy
already, what is measured is theirs as much as the ladder's.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.encoders import Encoder
from sensorium.encoders.text import TextEncoder
from sensorium.events import Event, Percept, RungChanged, Thing
from sensorium.jobs import Workshop
from sensorium.ladder import LADDER
from sensorium.machine import Machine
from sensorium.samples import Frame, Sample
from sensorium.session import Parts, Session, SessionSettings
from sensorium.source import SourceInfo
from sensorium.steps import Finding
from sensorium_apps.benches.figures import percentile
from sensorium_apps.benches.machine import machine

TICK_MS = 100.0
DEADLINE_MS = 50.0  # of a tick, where the usual ladder goes down ...
BEHIND_MS = 500.0  # ... and of a sample until it is known what it shows
FPS = 30
CALM_S = 5.0  # between two changes, at least
COOL_C, HOT_C = 55.0, 90.0
SETTLE_S = 17.0  # after a load began: a window of lateness, and a stay on each of three rungs, as far as it may go down
WORK_S = 0.06  # of a core for each picture, as a detector takes; a quarter of it for the small variant
BACK_S = 120.0  # by when it must be back at the top: from calm readings in 8 s a rung, after a minute from others
BEFORE_S = 5.0  # for the floor before any load
BUSY_LOAD = 0.5  # processes for each core that want to run, in the minute before: with more there is none to spare
HOGS_A_CORE = 16  # what a detector takes 60 ms for then takes about a second

_HOG = "while True: pass"


class _Camera:
    """Pictures of noise at 30 a second."""

    modality, name, finite = "vision", "noise", False

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        self._seq = 0

    def open(self) -> SourceInfo:
        self._closed.clear()
        return SourceInfo(self.name, NS_PER_S // FPS)

    def read(self) -> Sample | None:
        if self._closed.wait(1 / FPS):
            return None
        self._seq += 1
        return Frame(time.monotonic_ns(), self._seq, self._picture, still=True)

    def close(self) -> None:
        self._closed.set()


class _Working:
    """Computes as long for each picture as a detector does, and keeps how old the picture was then."""

    modality = "vision"

    def __init__(self) -> None:
        trial = np.ones(1_000_000)
        began = time.thread_time()
        np.sin(trial)
        share = WORK_S / (time.thread_time() - began)
        self._loads = {"": np.ones(round(share * len(trial))), "small": np.ones(round(share * len(trial) / 4))}
        self._load = self._loads[""]
        self.ages_ms: list[float] = []

    def use_variant(self, name: str) -> None:
        self._load = self._loads.get(name, self._loads[""])

    def encode(self, sample: Sample) -> Finding:
        np.sin(self._load)
        self.ages_ms.append((time.monotonic_ns() - sample.captured_ns) / NS_PER_MS)
        return Finding("vision", sample.captured_ns, things=(Thing("noise", 0.9, (0.0, 0.0, 1.0, 1.0)),), names=())


@dataclass(slots=True)
class _Watched:
    """What the session told, read by a thread of its own."""

    percepts: list[Percept] = field(default_factory=list)
    changes: list[RungChanged] = field(default_factory=list)

    def read(self, events: Session) -> None:
        for event in events:
            self.take(event)

    def take(self, event: Event) -> None:
        if isinstance(event, Percept):
            self.percepts.append(event)
        elif isinstance(event, RungChanged):
            self.changes.append(event)


def ladder(seconds: float, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Figures, floor and machine; ``seconds`` of each load after it has settled."""
    before = machine()
    load = before["load_1min"]
    busy = isinstance(load, float) and load > BUSY_LOAD * (os.cpu_count() or 1)
    floor_before = _sleeper_late_ms(BEFORE_S)
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "sys/class/thermal/thermal_zone0"
        zone.mkdir(parents=True)
        (zone / "type").write_text("cpu\n")
        _heat(zone, COOL_C)
        hog = _run("a CPU hog", seconds, hogs, folder, progress)
        heat = _run(f"{HOT_C:.0f} °C", seconds, lambda: _hot(zone), folder, progress)
    with hogs():
        floor = _sleeper_late_ms(seconds)
    changes = [*hog.pop("changes"), *heat.pop("changes")]
    return {
        "figures": {"hog": hog, "heat": heat, "deadline_ms": DEADLINE_MS, "behind_ms": BEHIND_MS},
        "changes": changes,
        "floor": {"sleeping_thread_p95_ms": floor, "sleeping_thread_before_p95_ms": floor_before},
        "busy_before": busy,
        "seconds": seconds,
        "machine": before,
    }


def _run(
    what: str, seconds: float, load: Callable[[], Any], folder: str, progress: Callable[[str], None]
) -> dict[str, Any]:
    """One session: without the load, with it, and until it is back at the top."""
    working = _Working()
    encoders: dict[str, Encoder] = {"text": TextEncoder(), "vision": working}
    parts = Parts(encoders, fusion=None, workshop=Workshop(), variants=("small",))
    measure = Machine(Path(folder)).read
    told = _Watched()
    with Session(parts, [_Camera()], settings=SessionSettings(tick_ms=TICK_MS), measure=measure) as session:
        reader = threading.Thread(target=told.read, args=(session,), name="reader", daemon=True)
        reader.start()
        progress(f"{what}: before")
        time.sleep(SETTLE_S)
        before, aged = len(told.percepts), len(working.ages_ms)
        progress(f"{what}: under it")
        began_ns = time.monotonic_ns()
        with load():
            time.sleep(SETTLE_S)
            settled, at_first = len(told.percepts), len(working.ages_ms)
            time.sleep(seconds)
            under, behind = told.percepts[settled:], working.ages_ms[at_first:]
            deepest = max((_level(change.rung) for change in told.changes), default=0)
        progress(f"{what}: until it is back")
        over_s = time.monotonic()
        while told.percepts[-1].rung != LADDER[0].name and time.monotonic() - over_s < BACK_S:
            time.sleep(0.2)
        back_s = time.monotonic() - over_s
    reader.join(CALM_S)
    return {
        "before_p95_ms": _p95(told.percepts[:before]),
        "before_behind_p95_ms": percentile(working.ages_ms[:aged], 95),
        "at_first_behind_p95_ms": percentile(working.ages_ms[aged:at_first], 95),
        "under_p95_ms": _p95(under),
        "under_behind_p95_ms": percentile(behind, 95),
        "kept": _p95(under) <= DEADLINE_MS and percentile(behind, 95) <= BEHIND_MS,
        "deepest": LADDER[deepest].name,
        "back_s": round(back_s, 1) if told.percepts[-1].rung == LADDER[0].name else None,
        "apart_s": round(min((_apart_s(a, b) for a, b in pairwise(told.changes)), default=0.0), 2),
        "changes": [
            f"{what}, {(change.at_ns - began_ns) / NS_PER_S:.1f} s: {change.previous} -> {change.rung}: {change.cause}"
            for change in told.changes
        ],
    }


@contextmanager
def hogs() -> Iterator[None]:
    """Processes that take every core, several for each."""
    count = HOGS_A_CORE * (os.cpu_count() or 1)
    running = [subprocess.Popen([sys.executable, "-c", _HOG]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


@contextmanager
def _hot(zone: Path) -> Iterator[None]:
    _heat(zone, HOT_C)
    try:
        yield
    finally:
        _heat(zone, COOL_C)


def _heat(zone: Path, celsius: float) -> None:
    (zone / "temp").write_text(f"{celsius * 1000:.0f}\n")


def _sleeper_late_ms(seconds: float) -> float:
    """How late a thread wakes that does nothing but sleep until the next tick [ms, 95th percentile]."""
    late: list[float] = []
    due = time.monotonic()
    while len(late) < seconds * 1000 / TICK_MS:
        due += TICK_MS / 1000
        time.sleep(max(0.0, due - time.monotonic()))
        late.append((time.monotonic() - due) * 1000)
    return percentile(late, 95)


def _level(name: str) -> int:
    return [rung.name for rung in LADDER].index(name)


def _apart_s(one: RungChanged, other: RungChanged) -> float:
    return (other.at_ns - one.at_ns) / NS_PER_S


def _p95(percepts: Sequence[Percept]) -> float:
    return percentile([percept.latency_ms for percept in percepts], 95)
