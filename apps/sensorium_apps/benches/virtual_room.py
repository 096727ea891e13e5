"""A room in this process, where there is no PulseAudio: the loudspeaker's own buffer, but no sound card's behind it."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S
from sensorium.samples import AudioChunk
from sensorium.source import AudioSink, Source, SourceInfo
from sensorium_apps.benches.room import LIMIT_S, RATE_HZ, AcrossTheTable, Room
from sensorium_devices.sound import CHUNK, load_soxr
from sensorium_devices.speaker import PIECE_S

BLOCK = round(PIECE_S * RATE_HZ)  # what the loudspeaker gives at once


class VirtualRoom(Room):
    """Time passes in a thread that takes a block of each voice, records both, and lets microphones hear them."""

    told = "virtual: no sound card's buffer is in these figures"

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._blocks: list[NDArray[np.float32]] = []  # (BLOCK, 2) each
        self._user: deque[NDArray[np.float32]] = deque()
        self._speaker: _Wired | None = None
        self._microphone: _Listening | None = None
        self._stop = threading.Event()
        self._start_ns = 0
        self._pump = threading.Thread(target=self._run, name="virtual room", daemon=True)

    def __enter__(self) -> Self:
        self._start_ns = time.monotonic_ns()
        self._pump.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pump.join()

    def microphone(self) -> Source:
        """See Room."""
        self._microphone = _Listening()
        return self._microphone

    def speaker(self) -> AudioSink:
        """See Room."""
        self._speaker = _Wired()
        return self._speaker

    @contextmanager
    def saying(self, speech: NDArray[np.float32], rate_hz: int) -> Iterator[None]:
        """See Room."""
        samples = np.asarray(load_soxr().resample(speech, rate_hz, RATE_HZ), np.float32)
        padded = np.pad(samples, (0, -len(samples) % BLOCK))
        with self._changed:
            self._user.extend(padded.reshape(-1, BLOCK))
        yield
        self.wait(lambda: not self._user, LIMIT_S)

    def recorded(self) -> NDArray[np.float32]:
        """See Room."""
        with self._changed:
            return np.concatenate([np.zeros((0, 2), np.float32), *self._blocks])

    def time_of(self, place: int) -> int:
        """See Room."""
        return self._start_ns + place * NS_PER_S // RATE_HZ

    def wait(self, ready: Callable[[], bool], limit_s: float) -> bool:
        """See Room."""
        with self._changed:
            return self._changed.wait_for(ready, limit_s)

    def _run(self) -> None:
        silence = np.zeros(BLOCK, np.float32)
        while not self._stop.wait(max(0, self._now_ns() - time.monotonic_ns()) / NS_PER_S):
            own = self._speaker.block() if self._speaker is not None else silence
            with self._changed:
                before = self._blocks[-1].mean(axis=1) if self._blocks else silence  # is over now, so it was heard
                self._blocks.append(np.stack([own, self._user.popleft() if self._user else silence], axis=1))
                self._changed.notify_all()
            if self._microphone is not None:
                self._microphone.hear(before, self.time_of((len(self._blocks) - 2) * BLOCK))

    def _now_ns(self) -> int:
        """When the next block begins to be played."""
        return self.time_of(len(self._blocks) * BLOCK)


class _Wired(AcrossTheTable):
    """A loudspeaker whose device is the room."""

    def _open(self, rate_hz: int) -> None:
        self._closed = False
        self._device_rate_hz = RATE_HZ

    def block(self) -> NDArray[np.float32]:
        """What it plays next, float32 (BLOCK,)."""
        pcm, _ = self._wanted_now(None, BLOCK, None, 0)
        return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


class _Listening:
    """A microphone that the room speaks into."""

    modality, name, finite = "audio", "virtual room", False

    def __init__(self) -> None:
        self._heard: queue.SimpleQueue[tuple[NDArray[np.float32], int] | None] = queue.SimpleQueue()
        self._rest = np.zeros(0, np.float32)
        self._rest_ns = self._seq = 0

    def hear(self, block: NDArray[np.float32], at_ns: int) -> None:
        """The next block, whose first sample was played then."""
        self._heard.put((block, at_ns))

    def open(self) -> SourceInfo:
        """Always there."""
        return SourceInfo("a virtual room", CHUNK * NS_PER_S // RATE_HZ)

    def read(self) -> AudioChunk | None:
        """The next 32 ms; None once closed."""
        while len(self._rest) < CHUNK:
            item = self._heard.get()
            if item is None:
                return None
            block, at_ns = item
            self._rest_ns = at_ns - len(self._rest) * NS_PER_S // RATE_HZ
            self._rest = np.concatenate([self._rest, block])
        chunk = AudioChunk(self._rest_ns, self._seq, self._rest[:CHUNK], RATE_HZ)
        self._rest, self._rest_ns = self._rest[CHUNK:], self._rest_ns + CHUNK * NS_PER_S // RATE_HZ
        self._seq += 1
        return chunk

    def close(self) -> None:
        """End; a ``read`` under way returns None."""
        self._heard.put(None)
