"""Hearing: a microphone of this machine, of the network, or sound that stands in for one.

    default, 3, "USB"       a PortAudio device: the default one, by index, by a part of its name
    http://...              a network microphone that sends WAV or PCM
    talk.wav                a wav, flac, ogg or mp3 file, at its own pace
    -                       WAV, or raw 16-bit mono at 16 kHz, on standard input

Whatever its rate and channels, it gives mono float32 chunks of 512 samples at 16 kHz, and tells what it did.
"""

import threading
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import AudioChunk
from sensorium.source import SourceInfo
from sensorium_devices.feeds import Feed, FeedFormat, FileFeed, is_sound_file
from sensorium_devices.sample_clock import SampleClock
from sensorium_devices.sound import CHUNK, RATE_HZ, Conditioner, format_notes
from sensorium_devices.sound_card import SoundCardFeed
from sensorium_devices.streams import HttpFeed, StdinFeed
from sensorium_devices.uri import is_url, without_password

CHUNK_NS = CHUNK * NS_PER_S // RATE_HZ  # 32 ms
LATE_NS = NS_PER_S // 5  # standard input that is later than this made a pause; time goes on from there


class Microphone:
    """A source of audio chunks; ``captured_ns`` is when a chunk's first sample was heard."""

    def __init__(self, uri: str, clock: Clock, *, realtime: bool = True, stdin: int = 0) -> None:
        """``realtime=False``: a file is read as fast as possible, its times still 32 ms apart."""
        self._uri = uri
        self._clock = clock
        self._paced = realtime and self.finite
        self._stdin = stdin
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._feed: Feed | None = None
        self._opening: Feed | None = None
        self._last_faults: dict[str, int] = {}  # of the feed that was closed
        self._reset(FeedFormat(RATE_HZ, 1, ""))

    @property
    def modality(self) -> str:
        """``audio``."""
        return "audio"

    @property
    def name(self) -> str:
        """As the user wrote it, without the password of a network address."""
        return without_password(self._uri)

    @property
    def finite(self) -> bool:
        """Whether it ends by itself: files and standard input do."""
        return self._uri == "-" or (not is_url(self._uri) and is_sound_file(self._uri))

    @property
    def faults(self) -> dict[str, int]:
        """What went wrong without ending it since it was opened, and how often."""
        feed = self._feed
        counts = dict(feed.faults if feed is not None else self._last_faults)
        if self._conditioner.not_finite:
            counts["samples not finite"] = self._conditioner.not_finite
        return counts

    def open(self) -> SourceInfo:
        """Open it; raises SourceError with the reason."""
        self.close()
        feed = self._make_feed()
        with self._lock:
            self._closed.clear()
            self._opening = feed
        form = feed.open()
        with self._lock:
            self._opening = None
            if not self._closed.is_set():
                self._reset(form)
                self._feed = feed
                notes = form.notes + format_notes(form.rate_hz, form.channels)
                return SourceInfo(form.description, CHUNK_NS, notes)
        feed.close()
        raise SourceError(f"microphone {self.name}: closed while it was being opened")

    def read(self) -> AudioChunk | None:
        """The next 32 ms. None at the end and once closed; SourceError when it is lost."""
        while not self._ready:
            feed = self._feed
            if feed is None or self._ended:
                return None
            self._take(feed)
        if self._closed.is_set():
            return None
        captured_ns = self._captured_ns()
        if self._paced and self._closed.wait(max(0, captured_ns + CHUNK_NS - self._clock.now_ns()) / NS_PER_S):
            return None
        self._seq += 1
        return AudioChunk(captured_ns, self._seq - 1, self._ready.popleft(), RATE_HZ)

    def close(self) -> None:
        """Release it; a ``read`` under way returns None."""
        with self._lock:
            self._closed.set()
            feed, self._feed = self._feed, None
            opening, self._opening = self._opening, None
        if opening is not None:
            opening.interrupt()
        if feed is not None:
            feed.close()
            self._last_faults = dict(feed.faults)

    def _make_feed(self) -> Feed:
        if self._uri == "-":
            return StdinFeed(self._clock, self._stdin)
        if is_url(self._uri):
            return HttpFeed(self._uri, self._clock)
        if is_sound_file(self._uri):
            return FileFeed(Path(self._uri), self._clock)
        return SoundCardFeed(self._uri, self._clock)

    def _reset(self, form: FeedFormat) -> None:
        self._conditioner = Conditioner(form.rate_hz)
        self._in_rate_hz = form.rate_hz
        self._fitted = SampleClock(form.rate_hz, form.latency_ns)
        self._start_ns = self._clock.now_ns()
        self._ready: deque[NDArray[np.float32]] = deque()
        self._last_faults = {}
        self._received = 0
        self._seq = 0
        self._ended = False

    def _take(self, feed: Feed) -> None:
        block = feed.read()
        if block is None:
            self._ended = True
            if not self._closed.is_set():
                self._ready.extend(self._conditioner.flush())
            return
        self._received += len(block.samples)
        if not self.finite:
            self._fitted.arrived(self._received, block.arrived_ns)
        self._ready.extend(self._conditioner.feed(block.samples))

    def _captured_ns(self) -> int:
        if not self.finite:
            return self._fitted.time_of(self._seq * CHUNK * self._in_rate_hz // RATE_HZ)
        captured_ns = self._start_ns + self._seq * CHUNK_NS
        late_ns = self._clock.now_ns() - captured_ns - CHUNK_NS
        if self._uri == "-" and self._paced and late_ns > LATE_NS:
            self._start_ns += late_ns
            captured_ns += late_ns
        return captured_ns
