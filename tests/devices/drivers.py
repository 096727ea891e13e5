"""Sources for a process of their own: with drivers that work, hang and crash as the test wants."""

import ctypes
import os
import signal
import threading
from typing import Literal

import numpy as np
from tests.devices.helpers import numbered

from sensorium.clock import NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import AudioChunk, Frame, Sample
from sensorium.source import SourceInfo

Fate = Literal["goes on", "hangs", "hangs and stops Python", "crashes", "exits", "is lost", "raises", "ends"]


class Driver:
    """Counts pictures at ``fps``; after ``count`` of them its fate comes."""

    modality = "vision"
    name = "driver"
    finite = False

    def __init__(self, clock: Clock, count: int = 1 << 60, fate: Fate = "goes on", fps: float = 100.0) -> None:
        self._clock, self._count, self._fate, self._period_s = clock, count, fate, 1 / fps
        self._closed = threading.Event()
        self._given = 0

    def open(self) -> SourceInfo:
        self._closed.clear()
        self._given = 0
        return SourceInfo(f"process {os.getpid()}", round(self._period_s * NS_PER_S), ("a note",))

    def read(self) -> Sample | None:
        if self._given == self._count:
            return self._end()
        if self._closed.wait(self._period_s):
            return None
        self._given += 1
        return self.sample(self._clock.now_ns(), self._given - 1)

    def sample(self, now_ns: int, seq: int) -> Sample:
        return Frame(now_ns, seq, numbered(seq % 65536))

    def close(self) -> None:
        self._closed.set()

    def _end(self) -> None:
        if self._fate == "hangs":
            ctypes.CDLL(None).sleep(1000)
        elif self._fate == "hangs and stops Python":
            ctypes.PyDLL(None).sleep(1000)  # as a library that keeps the interpreter's lock
        elif self._fate == "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif self._fate == "exits":
            os._exit(3)
        elif self._fate == "is lost":
            raise SourceError("driver: unplugged")
        elif self._fate == "raises":
            raise ZeroDivisionError("fps")


class Sound(Driver):
    """Counts chunks of 32 ms, as fast as it is asked to."""

    modality = "audio"

    def sample(self, now_ns: int, seq: int) -> Sample:
        return AudioChunk(now_ns, seq, np.full(512, seq / 1000, np.float32), 16_000)


class Absent(Driver):
    """Does not open."""

    def open(self) -> SourceInfo:
        raise SourceError("driver: no such device")


class Growing(Driver):
    """Pictures that become larger."""

    def sample(self, now_ns: int, seq: int) -> Sample:
        return Frame(now_ns, seq, np.full((10 * (seq + 1), 20, 3), seq, np.uint8))
