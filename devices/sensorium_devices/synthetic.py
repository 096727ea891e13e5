"""A camera, a microphone and a sensor that are made up: cheap, seeded, and in time, for tests and long runs.

Every sample differs from the one before, as a real sensor's noise makes it.
"""

import threading
from collections.abc import Callable

import numpy as np

from sensorium.clock import NS_PER_MS, Clock
from sensorium.samples import AudioChunk, Frame, Reading, Sample
from sensorium.source import SourceInfo
from sensorium.waiting import Wait, wait_real

VARIANTS = 16  # of each, one after the other: made once, for a sample must cost nothing
HEIGHT, WIDTH = 48, 64
RATE_HZ = 16_000
READING_VALUES = 4

Make = Callable[[int, int], Sample]  # capture time [ns], place in the sequence


class Synthetic:
    """Gives a sample every ``period_ns``, as ``make`` makes it; who comes late has missed what was before."""

    finite = False

    def __init__(self, modality: str, period_ns: int, make: Make, clock: Clock, wait: Wait = wait_real) -> None:
        self.modality, self.name = modality, f"synthetic {modality}"
        self._period_ns, self._make, self._clock, self._wait = period_ns, make, clock, wait
        self._closed = threading.Event()
        self._start_ns = self._seq = 0

    def open(self) -> SourceInfo:
        """Begin anew; it always opens."""
        self._closed.clear()
        self._start_ns, self._seq = self._clock.now_ns(), 0
        return SourceInfo(f"made up, every {self._period_ns / NS_PER_MS:g} ms", self._period_ns)

    def read(self) -> Sample | None:
        """The next sample when it is due; None once closed."""
        behind = (self._clock.now_ns() - self._start_ns) // self._period_ns
        self._seq = max(self._seq, behind) + 1
        due_ns = self._start_ns + self._seq * self._period_ns
        if self._wait(self._closed, due_ns - self._clock.now_ns()):
            return None
        return self._make(due_ns, self._seq)

    def close(self) -> None:
        """End; a ``read`` under way returns None."""
        self._closed.set()


def synthetic_camera(clock: Clock, period_ns: int, seed: int = 0, wait: Wait = wait_real) -> Synthetic:
    """Frames of 64x48: a slope of light with a sensor's noise."""
    dice = np.random.default_rng(seed)
    slope = np.linspace(40, 200, WIDTH)[None, :, None] + np.zeros((HEIGHT, 1, 3))  # (height, width, 3)
    images = [(slope + dice.normal(0, 2, slope.shape)).astype(np.uint8) for _ in range(VARIANTS)]
    return Synthetic("vision", period_ns, lambda at_ns, i: Frame(at_ns, i, images[i % VARIANTS]), clock, wait)


def synthetic_microphone(clock: Clock, period_ns: int, seed: int = 0, wait: Wait = wait_real) -> Synthetic:
    """Chunks of a period's length at 16 kHz: the noise of a street, -34 dB of full scale."""
    dice = np.random.default_rng(seed)
    count = RATE_HZ * period_ns // 1_000_000_000
    sounds = [dice.normal(0, 0.02, count).astype(np.float32) for _ in range(VARIANTS)]  # (n,)

    def chunk(at_ns: int, i: int) -> AudioChunk:
        return AudioChunk(at_ns - period_ns, i, sounds[i % VARIANTS], RATE_HZ)  # is there once its end was heard

    return Synthetic("audio", period_ns, chunk, clock, wait)


def synthetic_sensor(modality: str, clock: Clock, period_ns: int, seed: int = 0, wait: Wait = wait_real) -> Synthetic:
    """Readings of four values about 1."""
    dice = np.random.default_rng(seed)
    readings = [dice.normal(1, 0.05, READING_VALUES).astype(np.float32) for _ in range(VARIANTS)]  # (4,)
    return Synthetic(modality, period_ns, lambda at_ns, i: Reading(at_ns, i, readings[i % VARIANTS]), clock, wait)
