"""A long while of nothing being wrong, in virtual time, through the real judgement on health: every alarm is false.

A camera shows still scenes and pans at several light levels, each with the noise of a sensor at that light, some of
them as a network camera's JPEG, and plays videos, where there are any, picture by picture as their cameras took them; a
microphone hears sounds, words and pauses over the noise of rooms down to a very
quiet one. Samples come when such devices give them: pictures tremble, sound comes in bursts.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.capture import SourceChanged, rate_change
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.core import Core, CoreSettings, events
from sensorium.errors import SensoriumError
from sensorium.events import HealthChanged
from sensorium.health import PictureHealth, SoundHealth, State
from sensorium.rate import RateHealth
from sensorium.samples import AudioChunk, Frame, Sample
from sensorium.source import SourceInfo
from sensorium.steps import Check, Finding, Step, Tick
from sensorium_apps.benches.material import HEIGHT, WIDTH, Material
from sensorium_devices.clips import VideoReel
from sensorium_devices.opencv import load_opencv
from sensorium_devices.sound import CHUNK, RATE_HZ

FRAME_NS = NS_PER_S // 30
CHUNK_NS = CHUNK * NS_PER_S // RATE_HZ
TICK_NS = 200 * NS_PER_MS
SCENE_S = 10
# Standard deviation of a sensor's noise [of 255] in daylight, in a room, in the evening, at night with its gain turned
# up; and how bright the scene then is.
LIGHTS = ((0.7, 1.0), (1.5, 1.0), (4.0, 0.7), (9.0, 0.5))
JPEG_EVERY, JPEG_QUALITY = 5, 85  # scenes
PAN_EVERY = 3  # scenes
VIDEO_EVERY = 2  # scenes, where there are videos
ROOMS_DBFS = (-60.0, -66.0, -72.0, -78.0)  # an office, a laptop's microphone in it, a bedroom, a quiet one at night
PAUSE_S = (0.2, 6.0)  # between two sounds
LOUDEST = 0.9  # sounds are played so that they do not clip
# How late samples are: a camera's by a few milliseconds, and now and then by a scheduler's hiccup; sound as much as a
# network's burst.
TREMBLE_NS, HICCUP_NS, HICCUPS = 2 * NS_PER_MS, 30 * NS_PER_MS, 0.002
BURST_NS = 150 * NS_PER_MS


@dataclass(frozen=True, slots=True)
class Alarm:
    """A fault that was told, though nothing was wrong."""

    at_s: float
    modality: str
    reason: str


def false_alarms(
    material: Material, seconds: float, seed: int = 0, progress: Callable[[float], None] = lambda _: None
) -> list[Alarm]:
    """Every alarm in so many seconds of virtual time."""
    watch = _Watch()
    end_ns = round(seconds * NS_PER_S)
    rng = np.random.default_rng(seed)
    ticks: Iterable[tuple[int, Sample | None]] = ((at_ns, None) for at_ns in range(TICK_NS, end_ns, TICK_NS))
    streams: list[Iterable[tuple[int, Sample | None]]] = [
        _frames(material, end_ns, rng.spawn(1)[0]),
        _chunks(material, end_ns, rng.spawn(1)[0]),
        ticks,
    ]
    for at_ns, sample in heapq.merge(*streams, key=lambda item: item[0]):
        watch.take(at_ns, sample)
        if sample is None and at_ns % (60 * NS_PER_S) == 0:
            progress(at_ns / NS_PER_S)
    return watch.alarms


class _Watch:
    """A session without its threads: the same core, the same health."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self._core = Core(CoreSettings(modalities=("vision", "audio")), None)
        self._pictures, self._sounds = PictureHealth(), SoundHealth()
        self._rates = {"vision": RateHealth("vision", FRAME_NS), "audio": RateHealth("audio", CHUNK_NS)}
        self._arrivals: dict[str, int] = {}
        self._live: set[str] = set()
        for modality, period_ns in (("vision", FRAME_NS), ("audio", CHUNK_NS)):
            self._step(SourceChanged(modality, "open", info=SourceInfo("", period_ns)), 0)

    def take(self, at_ns: int, sample: Sample | None) -> None:
        """What arrives at ``at_ns``; None is a tick."""
        while (check_ns := self._core.next_check_ns(self._arrivals)) is not None and check_ns < at_ns:
            self._step(Check(dict(self._arrivals)), check_ns)
        if sample is None:
            self._step(Tick(at_ns, dict(self._arrivals)), at_ns)
            return
        if isinstance(sample, Frame):
            modality, fault = "vision", self._pictures.step(sample.image, sample.captured_ns)
        else:
            assert isinstance(sample, AudioChunk)
            modality, fault = "audio", self._sounds.step(sample.samples, sample.captured_ns)
        self._arrivals[modality] = at_ns
        if (change := rate_change(self._rates[modality], sample)) is not None:
            self._step(change, at_ns)
        self._step(Finding(modality, sample.captured_ns, fault=fault), at_ns)

    def _step(self, step: Step, at_ns: int) -> None:
        for event in events(self._core.handle(step, at_ns)):
            if not isinstance(event, HealthChanged):
                continue
            if event.state is State.LIVE:
                self._live.add(event.modality)
            elif event.modality in self._live:
                self.alarms.append(Alarm(at_ns / NS_PER_S, event.modality, f"{event.state}: {event.reason}"))


def _frames(material: Material, end_ns: int, rng: np.random.Generator) -> Iterator[tuple[int, Sample]]:
    """Frames with the times of their arrival [ns]."""
    seq = arrived_ns = 0
    films = itertools.cycle([_film(path) for path in material.videos])
    for scene in range(end_ns // (SCENE_S * NS_PER_S) + 1):
        filmed = material.videos and scene % VIDEO_EVERY
        picture = material.pictures[int(rng.integers(len(material.pictures)))]
        show = _playing(next(films)) if filmed else _scene(picture, scene, rng)
        for n in range(SCENE_S * 30):
            captured_ns = seq * FRAME_NS
            late_ns = rng.exponential(TREMBLE_NS) + HICCUP_NS * (rng.random() < HICCUPS)
            arrived_ns = max(arrived_ns, captured_ns + round(late_ns))
            if arrived_ns >= end_ns:
                return
            yield arrived_ns, Frame(captured_ns, seq, show(n))
            seq += 1


def _film(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The pictures of a video, again and again."""
    while True:
        reel = VideoReel(path)
        shown = reel.next()
        if shown is None:
            raise SensoriumError(f"{path}: no picture can be read; remove it, or give another video")
        while shown is not None:
            yield shown[1]
            shown = reel.next()
        reel.release()


def _playing(film: Iterator[NDArray[np.uint8]]) -> Callable[[int], NDArray[np.uint8]]:
    """The film from where it was."""
    return lambda _: next(film)


def _scene(picture: NDArray[np.uint8], scene: int, rng: np.random.Generator) -> Callable[[int], NDArray[np.uint8]]:
    """What a camera in front of that picture gives as its n-th frame."""
    cv2 = load_opencv()
    sigma, brightness = LIGHTS[scene % len(LIGHTS)]
    lit = cv2.convertScaleAbs(picture, alpha=brightness)
    pool: NDArray[np.int16] = rng.normal(0, sigma, (HEIGHT + 64, WIDTH + 64, 3)).round().astype(np.int16)
    room = min(lit.shape[0] - HEIGHT, lit.shape[1] - WIDTH)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]

    def show(n: int) -> NDArray[np.uint8]:
        top, left = (int(at) for at in rng.integers(0, 64, 2))
        moved = min(n * room // (SCENE_S * 30), room) if scene % PAN_EVERY == 0 else 0
        view = np.ascontiguousarray(lit[moved : moved + HEIGHT, moved : moved + WIDTH])
        noise = np.ascontiguousarray(pool[top : top + HEIGHT, left : left + WIDTH])
        seen: NDArray[np.uint8] = cv2.add(view, noise, dtype=cv2.CV_8U)
        if scene % JPEG_EVERY == 0:
            seen = cv2.imdecode(cv2.imencode(".jpg", seen, quality)[1], cv2.IMREAD_COLOR)
        return seen

    return show


def _chunks(material: Material, end_ns: int, rng: np.random.Generator) -> Iterator[tuple[int, Sample]]:
    """Chunks with the times of their arrival [ns]: in bursts, in order."""
    burst = 0
    heard = _heard(material, rng)
    for seq in range(end_ns // CHUNK_NS - BURST_NS // CHUNK_NS - 2):
        captured_ns = seq * CHUNK_NS
        if seq >= burst:  # the next burst is so many chunks long, and comes with its last one
            burst = seq + 1 + int(rng.integers(0, BURST_NS // CHUNK_NS))
        arrived_ns = burst * CHUNK_NS
        yield arrived_ns, AudioChunk(captured_ns, seq, next(heard), RATE_HZ)


def _heard(material: Material, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Chunk after chunk of sounds and pauses, over a room's noise, through a 16-bit converter."""
    while True:
        room = 10 ** (ROOMS_DBFS[int(rng.integers(len(ROOMS_DBFS)))] / 20)
        sound = material.sounds[int(rng.integers(len(material.sounds)))]
        sound = sound * np.float32(LOUDEST / max(LOUDEST, float(np.abs(sound).max(initial=0.0))))
        pause = int(rng.uniform(*PAUSE_S) * RATE_HZ)
        length = -(-(len(sound) + pause) // CHUNK) * CHUNK
        stretch = rng.normal(0, room, length)
        stretch[: len(sound)] += sound
        converted = (stretch.clip(-1, 1) * 32767).round().astype(np.float32) / np.float32(32768)
        yield from converted.reshape(-1, CHUNK)
