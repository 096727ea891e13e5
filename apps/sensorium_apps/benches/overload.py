"""More frames than a stage can take: 30 a second into one that takes 100 ms. How old are they when they are done?

Ours is a live session with all its threads; age is from the frame's capture to when it counts for the next answer.
The camera gives a new 640x480 picture each time and then ends, and what it gave is done or dropped, exactly. The ladder
is left out (one rung): this is about what the stream does.
"""

import time
from typing import Any

import numpy as np

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.errors import SensoriumError
from sensorium.jobs import Workshop
from sensorium.ladder import Rung
from sensorium.samples import Frame, Sample
from sensorium.session import Parts, SessionSettings
from sensorium.source import SourceInfo
from sensorium.steps import Finding
from sensorium_apps.benches.beside import Figures, Progress, beside, lines
from sensorium_apps.benches.figures import percentile
from sensorium_apps.benches.floor import floor_line
from sensorium_apps.benches.overhead import LIMIT_S, Pass, Watched
from sensorium_apps.benches.peers import Load
from sensorium_apps.benches.soak.memory import Memory

FPS = 30
STAGE_MS = 100


class Rolling:
    """A camera of 30 fps for some seconds, a new picture each time."""

    modality, name, finite = "vision", "a camera", True

    def __init__(self, seconds: float) -> None:
        self._frames = round(seconds * FPS)
        self._began_ns = 0
        self.given = 0

    def open(self) -> SourceInfo:
        """Ready at once."""
        self._began_ns = time.monotonic_ns()
        return SourceInfo(f"640x480 at {FPS} fps", NS_PER_S // FPS)

    def read(self) -> Sample | None:
        """The next frame when it is due; None after the last."""
        if self.given == self._frames:
            return None
        due_ns = self._began_ns + self.given * NS_PER_S // FPS
        time.sleep(max(0, due_ns - time.monotonic_ns()) / NS_PER_S)
        self.given += 1
        image = np.full((480, 640, 3), self.given % 256, np.uint8)
        return Frame(time.monotonic_ns(), self.given, image)

    def close(self) -> None:
        """It ends by itself."""


class Slow(Pass):
    """An encoder that takes its time."""

    def encode(self, sample: Sample) -> Finding:
        """After ``STAGE_MS``."""
        time.sleep(STAGE_MS / 1000)
        return super().encode(sample)


def ours(seconds: float) -> Load:
    """A session until all that the camera gave is done or dropped."""
    camera, memory = Rolling(seconds), Memory(int(seconds * NS_PER_S))
    ages: list[float] = []
    settings = SessionSettings(ladder=(Rung("full"),))
    began_ns = time.monotonic_ns()
    with Watched(Parts({"vision": Slow()}, None, Workshop()), [camera], settings=settings) as session:
        while True:
            sample, at_ns = session.through.get(timeout=LIMIT_S)
            ages.append((at_ns - sample.captured_ns) / NS_PER_MS)
            memory.step(at_ns - began_ns)
            counts = session.counts["vision"]
            if camera.given == round(seconds * FPS) == len(ages) + counts.dropped:
                break
            if at_ns - began_ns > (seconds + LIMIT_S) * NS_PER_S:
                raise SensoriumError(f"{camera.given} given, {len(ages)} done, {counts}: some are neither")
    return Load(
        given=camera.given,
        done=len(ages),
        dropped=counts.dropped,
        waiting=counts.waiting,
        ages_ms=ages,
        rss_growth_mb=memory.growth_mb,
    )


def overload(
    seconds: float, rounds: int, names: tuple[str, ...] | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Figures, spread, floor and machine; the peers' beside."""
    return beside(
        lambda: ours(seconds),
        figures,
        Load,
        "overload",
        {"seconds": seconds, "fps": FPS, "stage_ms": STAGE_MS},
        rounds=rounds,
        seconds=seconds,
        names=names,
        progress=progress,
    )


def figures(load: Load) -> Figures:
    """Ages, memory, and how many frames are neither done, dropped nor waiting (None where it is not told)."""
    known = load.dropped is not None
    return {
        "age_p50_ms": percentile(load.ages_ms, 50, 1),
        "age_p99_ms": percentile(load.ages_ms, 99, 1),
        "rss_growth_mb": round(load.rss_growth_mb, 2),
        "given": load.given,
        "done": load.done,
        "dropped": load.dropped,
        "waiting": load.waiting,
        "unaccounted": load.given - load.done - (load.dropped or 0) - load.waiting if known else None,
    }


def overload_lines(told: dict[str, Any]) -> list[str]:
    """For a person."""
    return [floor_line(told["floor"]), *lines(told, _row)]


def _row(one: dict[str, Any]) -> str:
    f = one["figures"]
    dropped = "not told" if f["dropped"] is None else f"{f['dropped']:.0f}"
    return (
        f"age p50 {f['age_p50_ms']:7.0f} ms  p99 {f['age_p99_ms']:7.0f} ms  memory {f['rss_growth_mb']:+7.1f} MB  "
        f"in {f['given']:.0f} = done {f['done']:.0f} + dropped {dropped} + waiting {f['waiting']:.0f}"
    )
