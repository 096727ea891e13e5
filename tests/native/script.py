"""A session in virtual time: real pictures and sound, with all that can befall them, recorded as a live one is."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.capture import SourceChanged
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.components.voice_activity import CHUNK, RATE_HZ
from sensorium.core import Core, CoreSettings, events
from sensorium.encoders import attempt
from sensorium.events import to_json
from sensorium.ladder import LADDER, Able, Readings, fitted
from sensorium.samples import AudioChunk, Frame, Line, Sample
from sensorium.session import Parts
from sensorium.source import SourceInfo
from sensorium.steps import Check, Measured, Step, Tick
from sensorium_apps.journal import RecordingJournal

Happening = tuple[int, str, Sample | Step]  # when, modality, what
FRAME_NS, TICK_NS, CHUNK_NS = NS_PER_S // 15, 200 * NS_PER_MS, CHUNK * NS_PER_S // RATE_HZ
SHOWN_NS, SILENT = 800 * NS_PER_MS, 4000  # how long a picture is shown; samples of near silence between two sounds


def record(parts: Parts, file: Path, pictures: Sequence[NDArray[np.uint8]], sound: NDArray[np.float32]) -> list[str]:
    """Record it into ``file``; what the core told, as JSON lines."""
    names = ("vision", "audio", "text")
    able = Able(variants=parts.variants, rewords=False, speaks=False)
    settings = CoreSettings(names, ladder=fitted(LADDER, able), backends=dict(parts.backends))
    core, journal, told = Core(settings, parts.fusion), RecordingJournal(file), []
    journal.begin(settings)
    arrivals = dict.fromkeys(names, 0)
    for at_ns, modality, what in sorted(_happenings(pictures, sound), key=lambda item: item[0]):
        now_ns = at_ns + 3 * NS_PER_MS  # a sample is known a little after it was captured
        sample = what if isinstance(what, Frame | AudioChunk | Line) else None
        if sample is not None:
            arrivals[modality] = now_ns
            step: Step = attempt(parts.encoders[modality], sample, core.rung.variant)
        else:
            assert not isinstance(what, Frame | AudioChunk | Line)
            step = type(what)(**_with_arrivals(what, arrivals)) if isinstance(what, Tick | Check) else what
        journal.step(step, sample, now_ns)
        told += [to_json(event) for event in events(core.handle(step, now_ns))]
    journal.close()
    return told


def near_silence(sounds: Sequence[NDArray[np.float32]], seed: int = 0) -> NDArray[np.float32]:
    """The sounds one after the other in a quiet room."""
    parts = [np.concatenate([np.zeros(SILENT, np.float32), sound, np.zeros(SILENT, np.float32)]) for sound in sounds]
    whole = np.concatenate([np.zeros(2 * SILENT, np.float32), *parts])
    return (whole + np.random.default_rng(seed).normal(0, 1e-3, len(whole))).astype(np.float32)


def _with_arrivals(step: Tick | Check, arrivals: dict[str, int]) -> dict[str, object]:
    return {"arrivals": dict(arrivals)} | ({"due_ns": step.due_ns} if isinstance(step, Tick) else {})


def _happenings(pictures: Sequence[NDArray[np.uint8]], sound: NDArray[np.float32]) -> Iterator[Happening]:
    start, end = NS_PER_S, NS_PER_S + max(len(pictures) * SHOWN_NS, len(sound) * NS_PER_S // RATE_HZ)
    yield start, "vision", SourceChanged("vision", "open", info=SourceInfo("a camera", FRAME_NS))
    yield start, "audio", SourceChanged("audio", "open", info=SourceInfo("a microphone", CHUNK_NS))
    yield start, "text", SourceChanged("text", "open")
    yield from ((at, "", Tick(at)) for at in range(start + TICK_NS, end + 3 * NS_PER_S, TICK_NS))
    yield from ((at, "", Check()) for at in range(start + TICK_NS // 3, end, TICK_NS))
    yield from _seen(pictures, start)
    yield from _heard(sound, start)
    yield start + NS_PER_S, "text", Line(start + NS_PER_S, 0, "  what is „this“? ")
    middle = (start + end) // 2
    yield middle, "vision", SourceChanged("vision", "faulty", "20 frames a second instead of 15")
    yield middle + NS_PER_S, "vision", SourceChanged("vision", "faulty")
    yield start + 5 * NS_PER_S, "", Measured(Readings(temperature_c=95.0, memory_free_mb=812.5))
    yield middle + 2 * NS_PER_S, "", Measured(Readings(temperature_c=41.0, battery=0.5, on_mains=True))
    yield end, "vision", SourceChanged("vision", "lost", "camera: it was disconnected")
    yield end + NS_PER_S, "audio", SourceChanged("audio", "ended", "the microphone has ended")


def _seen(pictures: Sequence[NDArray[np.uint8]], start: int) -> Iterator[Happening]:
    """Each picture trembles, one is dark, and one stands still until it counts as frozen."""
    rng = np.random.default_rng(1)
    for number, picture in enumerate(pictures):
        for at in range(start + number * SHOWN_NS, start + (number + 1) * SHOWN_NS, FRAME_NS):
            image = picture
            if number != 2:
                image = (picture.astype(np.int16) + rng.integers(-2, 3, picture.shape)).clip(0, 255).astype(np.uint8)
            if number == 4:
                image = image // 32
            if number != 5:  # one is not seen at all: the camera stalls
                yield at, "vision", Frame(at, 0, image)


def _heard(sound: NDArray[np.float32], start: int) -> Iterator[Happening]:
    """With a gap, a chunk that is not finite, one of another length, and a stretch in which the machine speaks."""
    for number in range(len(sound) // CHUNK):
        samples, at = sound[number * CHUNK : (number + 1) * CHUNK], start + number * CHUNK_NS
        if number == 40:
            samples = np.where(np.arange(CHUNK) == 7, np.float32("nan"), samples)
        if number == 60:
            samples = samples[:100]
        # While the machine speaks, a user is heard in what is cleaned of its voice, but for six chunks of its own.
        cleaned = samples * np.float32(0.5) if 150 <= number < 200 else None
        if not 100 <= number < 130:
            yield at, "audio", AudioChunk(at, number, samples, RATE_HZ, 0.9 if 150 <= number < 156 else 0.0, cleaned)
