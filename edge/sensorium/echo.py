"""Telling the machine's own voice in the microphone from a user who speaks over it.

What is played is the reference. WebRTC's echo canceller (AEC3: delay estimation, a partitioned-block adaptive filter,
suppression of what that leaves) takes it out of the microphone, in a reverberant room too. Where the rest is still
like the reference, the canceller has not found it yet, or has lost it when the loudspeaker stumbled: that is echo. A
user who speaks is unlike the reference, whatever the level (double-talk detection by normalised cross-correlation:
Benesty, Morgan and Cho, https://doi.org/10.1109/89.824701).
"""

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S
from sensorium.samples import AudioChunk

log = logging.getLogger(__name__)

Samples: TypeAlias = NDArray[np.float32]
Cancel: TypeAlias = Callable[[Samples, Samples], Samples]  # what is heard and what is played, (n,) each: the rest, (n,)

RATE_HZ = 16_000
# Likeness of the rest to what is played from which on nobody else speaks: of 1,460 chunks with a user as loud as the
# echo, 75% are below 0.013 and 95% below 0.036; of 142 that sounded like a user when the loudspeaker stumbled, 95% are
# above 0.054.
OWN_VOICE = 0.03
WINDOW = 8_192  # microphone samples compared at once, 512 ms: of 256 ms, more of a user is like anything
LONGEST_DELAY = 16_000  # 1 s: PulseAudio and Bluetooth buffers stay below, on a busy machine too
LEAD = 6_400  # 400 ms: how much too early a busy machine may stamp what it captures
AHEAD = 1_600  # 100 ms of that for the canceller, which finds delays of half a second at most
KEPT = 30 * RATE_HZ  # of the reference: longer than any reply's phrase
FRAME = RATE_HZ // 100  # what the canceller takes at once
EMPHASIS = np.float32(0.95)  # of the treble over the bass, which all voices share


class EchoGuard:
    """Takes what the machine plays out of each audio chunk, and tells how like it the rest still is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # the voice plays in one thread, the microphone is judged in another
        self._reference = np.zeros(0, np.float32)  # (n,) at RATE_HZ
        self._start_ns = 0  # when its first sample was played
        self._rest = np.zeros(WINDOW, np.float32)
        self._cancel: Cancel | None = None

    def play(self, samples: NDArray[np.float32], rate_hz: int, at_ns: int) -> None:
        """Float32 (n,) begins to be played at ``at_ns``."""
        self._cancel = self._cancel or _canceller()
        resampled = _to_rate(samples, rate_hz)
        with self._lock:
            gap = int((at_ns - self._start_ns) * RATE_HZ // NS_PER_S) - len(self._reference)
            if gap > KEPT or not len(self._reference):
                self._reference, self._start_ns = resampled, at_ns
                return
            joined = np.concatenate([self._reference, np.zeros(max(0, gap), np.float32), resampled])
            extra = max(0, len(joined) - KEPT)
            self._reference = joined[extra:]
            self._start_ns += extra * NS_PER_S // RATE_HZ

    def stop(self, at_ns: int) -> None:
        """What was to be played after ``at_ns`` is not: what comes next follows without it."""
        with self._lock:
            self._reference = self._reference[: max(0, int((at_ns - self._start_ns) * RATE_HZ // NS_PER_S))]

    def judge(self, chunk: AudioChunk) -> AudioChunk:
        """The chunk (at 16 kHz) with ``cleaned`` and ``echo`` set; as it is where nothing is played."""
        if self._cancel is None:  # nothing was played yet
            return chunk
        reference = self._played_around(chunk.captured_ns + chunk.duration_ns)
        if not np.any(reference):
            return chunk
        end = len(reference) - LEAD + AHEAD
        cleaned = self._cancel(chunk.heard, reference[end - len(chunk.samples) : end])
        self._rest = np.concatenate([self._rest, cleaned])[-WINDOW:]
        return dataclasses.replace(chunk, cleaned=cleaned, echo=likeness(self._rest, reference))

    def _played_around(self, end_ns: int) -> NDArray[np.float32]:
        """What was played that a window up to ``end_ns`` may hold: (WINDOW + LONGEST_DELAY + LEAD,)."""
        wanted = WINDOW + LONGEST_DELAY + LEAD
        with self._lock:
            end = int((end_ns - self._start_ns) * RATE_HZ // NS_PER_S) + LEAD
            start = end - wanted
            piece = self._reference[max(0, start) : max(0, end)]
        out = np.zeros(wanted, np.float32)
        offset = max(0, -start)
        out[offset : offset + len(piece)] = piece[: max(0, wanted - offset)]
        return out


def likeness(heard: Samples, reference: Samples) -> float:
    """The largest share of ``heard``'s energy (n,) that a delayed, scaled copy of ``reference`` (m > n,) explains."""
    heard, reference = _emphasised(heard), _emphasised(reference)
    n, m = len(heard), len(reference)
    size = 1 << (m - 1).bit_length()  # only delays at which all of ``heard`` is covered count: none wraps around
    products = np.fft.irfft(np.fft.rfft(reference, size) * np.conj(np.fft.rfft(heard, size)), size)[: m - n + 1]
    sums = np.concatenate([[0.0], np.cumsum(np.square(reference), dtype=np.float64)])
    energy = sums[n:] - sums[:-n]  # of the reference under each delay, (m - n + 1,)
    own, loudest = float(heard @ heard), float(energy.max())
    if own <= 0 or loudest <= 0:
        return 0.0
    return float(np.clip(np.max(np.square(products) / np.maximum(energy, 1e-6 * loudest)) / own, 0.0, 1.0))


def _emphasised(samples: Samples) -> Samples:
    """Pre-emphasis, as before linear prediction: (n,) to (n - 1,)."""
    return samples[1:] - EMPHASIS * samples[:-1]


def _canceller() -> Cancel:
    """WebRTC's; where it is not installed, none: a user has to drown the machine out."""
    try:
        from pywebrtc_audio import EchoCanceller  # only who speaks needs it
    except ImportError:
        log.warning("without pywebrtc-audio, who speaks over the machine is hardly heard; pip install 'sensorium[mic]'")
        return lambda heard, _: heard
    return InFrames(EchoCanceller(RATE_HZ).process)


class InFrames:
    """A canceller that is given whole frames, whatever the length of the chunks: 10 ms later."""

    def __init__(self, cancel: Cancel) -> None:
        self._cancel = cancel
        self._waiting = np.zeros((2, 0), np.float32)  # heard and played
        self._done = np.zeros(FRAME, np.float32)

    def __call__(self, heard: Samples, played: Samples) -> Samples:
        """The rest of the chunk before, as far as it was not given yet, and of this one (n,)."""
        waiting = np.concatenate([self._waiting, [heard, played]], axis=1)
        whole = waiting.shape[1] // FRAME * FRAME
        rest = self._cancel(waiting[0, :whole], waiting[1, :whole])
        done = np.concatenate([self._done, rest])
        self._waiting, self._done = waiting[:, whole:], done[len(heard) :]
        return done[: len(heard)]


def _to_rate(samples: Samples, rate_hz: int) -> Samples:
    """At RATE_HZ: its spectrum, cut off or filled up; a phrase begins and ends in silence, so nothing wraps around."""
    n = round(len(samples) * RATE_HZ / rate_hz)
    if rate_hz == RATE_HZ or n == 0:
        return samples[:n]
    spectrum = np.fft.rfft(samples)[: n // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, n) * (n / len(samples)), np.float32)
