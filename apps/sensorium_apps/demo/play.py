"""Playing the demo: its world in one thread, the session that lives in it, and what came of it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.clock import MonotonicClock
from sensorium.components.synthesiser import Synthesiser
from sensorium.errors import BundleError
from sensorium.events import Event, Speech
from sensorium.guard import Patience
from sensorium.session import Session, SessionSettings
from sensorium.source import AudioSink
from sensorium_apps.demo.script import END_S, SCRIPT, Ask
from sensorium_apps.demo.summary import Photo, Run, summarise
from sensorium_apps.demo.timeline import draw
from sensorium_apps.demo.world import MIC_RATE_HZ, World
from sensorium_apps.live import Live, Watched
from sensorium_compile.zoo import Weights
from sensorium_devices.factory import open_camera, open_microphone, open_speaker
from sensorium_devices.images import read_image

# The user speaks higher than the machine: the same voice, slower, and played faster by as much.
USER_SPEED, USER_PITCH = 0.9, 1.18
PHOTOS = "photos"  # the zoo's group of them


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a demo left."""

    summary: dict[str, Any]
    timeline: Path
    replies: Path


def play(
    bundle_path: Path,
    out: Path,
    speaker: str,
    threads: int,
    tell: Callable[[Live, Iterator[Event | None]], None],
) -> Outcome:
    """Play the script against a session with this bundle; ``tell`` is shown every event as it comes.

    Answers are saved as ``out/replies/0001.wav`` and so on, and played where ``speaker`` is a device.
    """
    out.mkdir(parents=True, exist_ok=True)
    photos = photos_of(Weights())
    clock = MonotonicClock()
    with Bundle(bundle_path) as bundle:
        parts = assemble(bundle, threads=threads, patience=Patience())
        voice = parts.synthesiser
        if not isinstance(voice, Synthesiser):
            raise BundleError(f"{bundle_path} has no synthesiser; the demo needs the companion bundle")
        world = World([image for _, image in photos], spoken_questions(voice))
        saved = Saved(out / "replies", speaker)
        events: list[Event] = []
        with world:
            sources = [
                Watched(s)
                for s in (open_camera(world.camera.url, clock), open_microphone(world.microphone.url, clock))
                if s is not None
            ]
            with Session(parts, sources, saved, settings=SessionSettings(), clock=clock) as session:
                world.type_line = session.say
                start_ns = clock.now_ns()
                with _playing(world) as playing:
                    live = Live(session, sources, bundle, clock)
                    tell(live, _kept(live, playing, events))
        events += session  # what it told until it was closed
        run = Run([photo for photo, _ in photos], world.happened, events, session.ticks, saved.seconds(events))
    timeline = out / "timeline.png"
    draw(events, start_ns, END_S, timeline)
    summary = summarise(run)
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return Outcome(summary, timeline, out / "replies")


class Saved:
    """A speaker that keeps every answer as a wav file, and plays it where there is a device."""

    def __init__(self, folder: Path, speaker: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.wav"):
            old.unlink()
        self.name = speaker
        self._sinks: list[AudioSink] = [open_speaker(f"{folder}/")]
        if speaker != "none":
            self._sinks.append(open_speaker(speaker))
        self._rate_hz = 1
        self._samples: list[int] = []  # of each utterance

    def start(self, rate_hz: int) -> None:
        """Begin an utterance."""
        self._rate_hz = rate_hz
        self._samples.append(0)
        for sink in self._sinks:
            sink.start(rate_hz)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Keep and play."""
        self._samples[-1] += len(samples)
        for sink in self._sinks:
            sink.write(samples)

    def drain(self) -> None:
        """Wait until it was heard."""
        for sink in self._sinks:
            sink.drain()

    def stop(self) -> None:
        """Fall silent."""
        for sink in self._sinks:
            sink.stop()

    def close(self) -> None:
        """Release the device and the file."""
        for sink in self._sinks:
            sink.close()

    def seconds(self, events: Sequence[Event]) -> dict[int, float]:
        """How long each reply that was begun lasts [s], by its id."""
        begun = [e.reply_id for e in events if isinstance(e, Speech) and e.phase == "started"]
        return {reply: n / self._rate_hz for reply, n in zip(begun, self._samples, strict=False)}


def photos_of(weights: Weights) -> list[tuple[Photo, NDArray[np.uint8]]]:
    """The zoo's photos in its own order."""
    entries = [entry for entry in weights.zoo if PHOTOS in entry.group]
    return [(Photo(entry.name, entry.labels), read_image(weights.path(entry.name))) for entry in entries]


def spoken_questions(voice: Synthesiser) -> Mapping[str, NDArray[np.float32]]:
    """Every question of the script as the user speaks it, at the microphone's rate."""
    import soxr

    rate_hz = voice.rate_hz * USER_PITCH
    return {
        action.text: soxr.resample(voice.synthesise(action.text, speed=USER_SPEED), rate_hz, MIC_RATE_HZ)
        for action in SCRIPT
        if isinstance(action, Ask)
    }


@contextmanager
def _playing(world: World) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=world.play, args=(SCRIPT, END_S, stop), name="demo-world")
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def _kept(live: Live, playing: threading.Thread, events: list[Event]) -> Iterator[Event | None]:
    """The session's events until the script is over, each kept in ``events``."""
    for event in live.events():
        if event is not None:
            events.append(event)
        yield event
        if not playing.is_alive():
            return
