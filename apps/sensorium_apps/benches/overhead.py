"""What a runtime adds to a frame: five stages, 640x480, one frame after the other, no model and no copy.

Ours is a live session with all its threads. From when the camera's read has returned to when the frame counts for the
next answer, it passes (1) the capture, which holds its time to what can be, (2) the stream, bounded and counted,
(3) the encoder, which here only hands on, (4) the judgement on the sense's health, (5) the evidence at
hand. The judgement on the source's rate runs beside it, on every frame too. What is told of it comes with the next
tick; what a tick costs, from when it is due to the percept in its consumer's hands, is a figure of its own.

MediaPipe: five PassThroughCalculators. Pipecat: five processors that push on. GStreamer: five identities between
appsrc and appsink. All called from Python, with the frame made before the clock starts, the next given when one is out.
"""

import queue
import time
from typing import Any, Self

import numpy as np

from sensorium.clock import NS_PER_S
from sensorium.events import Percept
from sensorium.evidence import Evidence
from sensorium.jobs import Workshop
from sensorium.ladder import Rung
from sensorium.samples import Frame, Sample
from sensorium.session import Parts, Session, SessionSettings
from sensorium.source import SourceInfo
from sensorium.steps import Finding, Step
from sensorium_apps.benches.beside import Figures, Progress, beside, lines
from sensorium_apps.benches.figures import percentile
from sensorium_apps.benches.floor import floor_line
from sensorium_apps.benches.peers import Passes

FPS = 30  # that the camera promises
TICKS = 10  # answers a round that are timed
WARM_UP = 50  # frames that are not counted: caches fill, threads start
LIMIT_S = 60.0


class Pass:
    """An encoder that hands on: its evidence is that there was a frame."""

    modality = "vision"

    def encode(self, sample: Sample) -> Finding:
        """Nothing but when it was."""
        return Finding("vision", sample.captured_ns, evidence=(Evidence("vision", (), sample.captured_ns),))


class Watched(Session):
    """Puts every frame that counts for the next answer into ``through``, with when that was [ns]."""

    through: queue.SimpleQueue[tuple[Sample, int]]

    def __enter__(self) -> Self:
        self.through = queue.SimpleQueue()
        return super().__enter__()

    def _take(self, step: Step, sample: Sample | None = None) -> None:
        super()._take(step, sample)
        if sample is not None:
            self.through.put((sample, time.monotonic_ns()))


class OneByOne:
    """A camera that gives the next frame when it is told to; the picture is always the same, and never copied."""

    modality, name, finite = "vision", "a camera that is asked", False

    def __init__(self) -> None:
        self._image = np.zeros((480, 640, 3), np.uint8)
        self.asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.read_ns = 0  # when the last read returned

    def open(self) -> SourceInfo:
        """Ready at once."""
        return SourceInfo("640x480", NS_PER_S // FPS)

    def read(self) -> Sample | None:
        """The frame of that number, once asked."""
        number = self.asked.get()
        if number is None:
            return None
        frame = Frame(time.monotonic_ns(), number, self._image)
        self.read_ns = time.monotonic_ns()
        return frame

    def close(self) -> None:
        """Let go of who reads."""
        self.asked.put(None)


def ours(frames: int) -> tuple[Passes, list[float]]:
    """Every frame's way through a session, and every answer's from when it was due to its consumer [us]."""
    camera = OneByOne()
    # One rung: what the ladder leaves out when the machine is late would not come out at all.
    settings = SessionSettings(ladder=(Rung("full"),))
    passed: list[float] = []
    with Watched(Parts({"vision": Pass()}, None, Workshop()), [camera], settings=settings) as session:
        for number in range(1, WARM_UP + frames + 1):
            camera.asked.put(number)
            _, at_ns = session.through.get(timeout=LIMIT_S)
            passed.append((at_ns - camera.read_ns) / 1e3)
        while session.next_event(0) is not None:
            pass
        ticks = [_tick_us(session) for _ in range(TICKS)]
    return Passes(us=passed[WARM_UP:]), ticks


def overhead(
    frames: int, rounds: int, names: tuple[str, ...] | None = None, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Figures, spread, floor and machine; the peers' beside."""
    ticks: list[float] = []

    def one_round() -> Passes:
        passes, answers = ours(frames)
        ticks.extend(answers)
        return passes

    told = beside(
        one_round, figures, Passes, "overhead", {"frames": frames}, rounds=rounds, names=names, progress=progress
    )
    told["figures"] |= {"tick_p50_us": percentile(ticks, 50, 1), "tick_p99_us": percentile(ticks, 99, 1)}
    return told


def figures(passes: Passes) -> Figures:
    """Median and 99th percentile."""
    return {"p50_us": percentile(passes.us, 50, 1), "p99_us": percentile(passes.us, 99, 1)}


def overhead_lines(told: dict[str, Any]) -> list[str]:
    """For a person."""
    own = told["figures"]
    return [
        floor_line(told["floor"]),
        *lines(told, lambda one: f"p50 {one['figures']['p50_us']:8.1f} us   p99 {one['figures']['p99_us']:9.1f} us"),
        f"a tick takes {own['tick_p50_us']:.0f} us (p50; p99 {own['tick_p99_us']:.0f}) to whoever reads the answers",
    ]


def _tick_us(session: Session) -> float:
    """From when the next tick is due to when its percept is here."""
    while True:
        event = session.next_event(LIMIT_S)
        if isinstance(event, Percept):
            return (time.monotonic_ns() - event.at_ns) / 1e3 + event.latency_ms * 1e3
