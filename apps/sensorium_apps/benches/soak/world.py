"""The small world of a chaos run: three made-up senses, encoders that cost next to nothing, a real evidence fusion."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, Clock
from sensorium.encoders import Encoder
from sensorium.errors import SampleError
from sensorium.evidence import Calibration, Evidence, EvidenceFusion, FusionConfig, Phrase
from sensorium.fusion import OpenVocabulary
from sensorium.health import PictureHealth, SoundHealth
from sensorium.jobs import Workshop
from sensorium.samples import AudioChunk, Frame, Reading, Sample
from sensorium.session import Parts
from sensorium.source import SourceInfo
from sensorium.steps import Finding
from sensorium.waiting import Wait, wait_real
from sensorium_devices.faults import Fault
from sensorium_devices.faulty import Faulty
from sensorium_devices.synthetic import (
    READING_VALUES,
    Synthetic,
    synthetic_camera,
    synthetic_microphone,
    synthetic_sensor,
)

TOUCH = "touch"
# Slow enough that a day of it is some minutes of computing, fast enough that a stall is told within a second.
PERIODS_NS = {"vision": 200 * NS_PER_MS, "audio": 100 * NS_PER_MS, TOUCH: 200 * NS_PER_MS}
PHRASES = {"vision": "a bright room", "audio": "a loud street", TOUCH: "a firm grip"}


def seed_of(seed: int, modality: str) -> int:
    """A sense's own seed: two that jump do not jump alike."""
    return len(PERIODS_NS) * seed + list(PERIODS_NS).index(modality)


class Probe:
    """A failing source that counts what it gave and remembers when it was first opened."""

    def __init__(self, modality: str, faults: Sequence[Fault], clock: Clock, seed: int, wait: Wait = wait_real) -> None:
        self._source = Faulty(made_up(modality, clock, seed, wait), faults, clock, seed, wait)
        self._clock = clock
        self.modality, self.name, self.finite = modality, self._source.name, self._source.finite
        self.began_ns: int | None = None
        self.given = 0

    def open(self) -> SourceInfo:
        """Open the source."""
        if self.began_ns is None:
            self.began_ns = self._clock.now_ns()
        return self._source.open()

    def read(self) -> Sample | None:
        """The source's next sample."""
        sample = self._source.read()
        self.given += sample is not None
        return sample

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class Light:
    """An encoder of one number, the sense's strength in 0-1; counts what it took."""

    def __init__(self, modality: str, look: Callable[[Sample], tuple[str | None, float]]) -> None:
        """``look`` gives what is wrong with a sample and its strength; raises SampleError for one of a wrong shape."""
        self.modality = modality
        self._look = look
        self.done = 0

    def encode(self, sample: Sample) -> Finding:
        """The strength as evidence; none where something is wrong."""
        self.done += 1
        fault, strength = self._look(sample)
        if fault is not None:
            return Finding(self.modality, sample.captured_ns, fault)
        at_ns = sample.captured_ns + (sample.duration_ns if isinstance(sample, AudioChunk) else 0)
        phrase = Phrase(PHRASES[self.modality], min(1.0, strength))
        return Finding(self.modality, sample.captured_ns, evidence=(Evidence(self.modality, (phrase,), at_ns),))


def made_up(modality: str, clock: Clock, seed: int, wait: Wait) -> Synthetic:
    """The made-up source of one of the three senses."""
    period_ns = PERIODS_NS[modality]
    if modality == "vision":
        return synthetic_camera(clock, period_ns, seed, wait)
    if modality == "audio":
        return synthetic_microphone(clock, period_ns, seed, wait)
    return synthetic_sensor(modality, clock, period_ns, seed, wait)


def encoders() -> dict[str, Light]:
    """The three encoders, new."""
    return {"vision": Light("vision", _brightness()), "audio": Light("audio", _loudness()), TOUCH: Light(TOUCH, _grip)}


def parts(by_modality: dict[str, Encoder]) -> Parts:
    """What a session runs: these encoders, and a real fusion over the three phrases."""
    calibration = Calibration(mean=0, best=3, bias=-1, floor=0, base_rate=0.3, half_life_s=2)
    config = FusionConfig(prior=0.3, senses=dict.fromkeys(PHRASES, calibration))
    fusion = EvidenceFusion(_embed, np.zeros(len(PHRASES), np.float32), config)
    return Parts(by_modality, OpenVocabulary(fusion, tuple(PHRASES.values())), Workshop())


def _embed(texts: Sequence[str]) -> NDArray[np.float32]:
    axes = list(PHRASES.values())
    return np.stack([np.eye(len(axes), dtype=np.float32)[axes.index(text)] for text in texts])  # (texts, 3)


def _brightness() -> Callable[[Sample], tuple[str | None, float]]:
    health = PictureHealth()

    def look(sample: Sample) -> tuple[str | None, float]:
        if not isinstance(sample, Frame):
            raise SampleError(f"pictures are wanted; given {type(sample).__name__}")
        return health.step(sample.image, sample.captured_ns), float(sample.image[::8, ::8].mean()) / 255

    return look


def _loudness() -> Callable[[Sample], tuple[str | None, float]]:
    health = SoundHealth()
    wanted = 16_000 * PERIODS_NS["audio"] // 1_000_000_000

    def look(sample: Sample) -> tuple[str | None, float]:
        if not isinstance(sample, AudioChunk) or len(sample.samples) != wanted:
            raise SampleError(f"sound of {wanted} samples is wanted")
        return health.step(sample.samples, sample.captured_ns), float(np.nan_to_num(np.abs(sample.samples)).mean())

    return look


def _grip(sample: Sample) -> tuple[str | None, float]:
    if not isinstance(sample, Reading) or sample.values.shape != (READING_VALUES,):
        raise SampleError(f"readings of {READING_VALUES} values are wanted")
    if not np.isfinite(sample.values).all():
        return "not finite", 0.0
    return None, float(np.clip(sample.values.mean() / 2, 0, 1))
