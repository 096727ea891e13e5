"""Where a microphone's blocks come from: what each such feed offers, and the feed from a file."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import Clock
from sensorium_devices.sound import CHUNK, RATE_HZ, open_sound, read_sound


@dataclass(frozen=True, slots=True)
class Block:
    """Some sound as it came: float32 (n, channels), and when its last sample was there [ns]."""

    samples: NDArray[np.float32]
    arrived_ns: int


@dataclass(frozen=True, slots=True)
class FeedFormat:
    """What an opened feed gives."""

    rate_hz: int
    channels: int
    description: str
    latency_ns: int = 0  # how old a sample is when it arrives, as the device tells
    notes: tuple[str, ...] = ()


class Feed(Protocol):
    """Blocks of sound, one after the other."""

    @property
    def faults(self) -> dict[str, int]:
        """What went wrong without ending it, and how often."""
        ...

    def open(self) -> FeedFormat:
        """Open it; raises SourceError, and then nothing is left open."""
        ...

    def read(self) -> Block | None:
        """The next block; None at the end and once closed. SourceError when it is lost."""
        ...

    def interrupt(self) -> None:
        """End a wait of ``open`` or ``read``, from any thread; the feed is of no use after it."""
        ...

    def close(self) -> None:
        """Interrupt and release it. Twice is fine."""
        ...


class FileFeed:
    """A wav, flac, ogg or mp3 file; one that is shorter than its header says ends where it ends."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._sound: Any = None
        self._left = 0
        self.faults: dict[str, int] = {}

    def open(self) -> FeedFormat:
        """Open the file."""
        sound = open_sound(self._path)
        self._sound, self._left = sound, sound.frames
        seconds = sound.frames / sound.samplerate
        return FeedFormat(sound.samplerate, sound.channels, f"{self._path.name}, {seconds:.1f} s")

    def read(self) -> Block | None:
        """About a chunk's worth."""
        with self._lock:
            if self._sound is None:
                return None
            wanted = max(1, CHUNK * self._sound.samplerate // RATE_HZ)
            samples = read_sound(self._sound, self._path, min(wanted, self._left))
        self._left -= len(samples)
        if not len(samples):
            if self._left:
                self.faults["samples missing at the end"] = self._left
            return None
        return Block(samples, self._clock.now_ns())

    def interrupt(self) -> None:
        """A file does not keep anybody waiting."""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            sound, self._sound = self._sound, None
            if sound is not None:
                sound.close()


def is_sound_file(text: str) -> bool:
    """Whether a microphone's name is that of a file, there or not."""
    return Path(text).suffix.lower() in {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff"} or (
        os.sep in text or Path(text).is_file()
    )
