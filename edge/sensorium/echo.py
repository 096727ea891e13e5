"""Telling the machine's own voice in the microphone from a user who speaks over it.

What is played is the reference. A run of microphone samples that a delayed, scaled copy of the reference explains is
echo; what it does not explain is somebody else. No filter is adapted: a reverberant room leaves much unexplained,
and there the speech gate's own threshold has to do.
"""

import dataclasses
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S
from sensorium.samples import AudioChunk

RATE_HZ = 16_000
WINDOW = 4_096  # microphone samples compared at once, 256 ms: a syllable
LONGEST_DELAY = 16_000  # 1 s: PulseAudio and Bluetooth buffers stay below, on a busy machine too
LEAD = 6_400  # 400 ms: how much too early a busy machine may stamp what it captures
HELD = 6  # chunks that echo is held for, a fifth of a second: a loudspeaker that stumbles breaks the likeness
KEPT = 30 * RATE_HZ  # of the reference: longer than any reply's phrase


class EchoGuard:
    """Marks each audio chunk with the share of its energy that is what the machine plays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # the voice plays in one thread, the microphone is judged in another
        self._reference = np.zeros(0, np.float32)  # (n,) at RATE_HZ
        self._start_ns = 0  # when its first sample was played
        self._heard = np.zeros(WINDOW, np.float32)
        self._recent: deque[float] = deque(maxlen=HELD)

    def play(self, samples: NDArray[np.float32], rate_hz: int, at_ns: int) -> None:
        """Float32 (n,) begins to be played at ``at_ns``."""
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
        """The chunk (at 16 kHz) with its ``echo`` share set."""
        self._heard = np.concatenate([self._heard, np.nan_to_num(chunk.samples)])[-WINDOW:]
        reference = self._played_around(chunk.captured_ns + chunk.duration_ns)
        if not np.any(reference):
            self._recent.clear()
            return chunk
        self._recent.append(explained(self._heard, reference))
        return dataclasses.replace(chunk, echo=max(self._recent))

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


def explained(heard: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The largest share of ``heard``'s energy (n,) that a delayed, scaled copy of ``reference`` (m > n,) explains."""
    n, m = len(heard), len(reference)
    size = 1 << (n + m - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(reference, size) * np.conj(np.fft.rfft(heard, size)), size)[: m - n + 1]
    sums = np.concatenate([[0.0], np.cumsum(reference.astype(np.float64) ** 2)])
    energy = sums[n:] - sums[:-n]  # of the reference under each delay, (m - n + 1,)
    own = float(np.sum(heard.astype(np.float64) ** 2))
    loud = energy > 1e-6 * max(float(energy.max()), 1e-12)
    if own <= 0 or not loud.any():
        return 0.0
    return float(np.clip(np.max(products[loud] ** 2 / energy[loud]) / own, 0.0, 1.0))


def _to_rate(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Linear interpolation to RATE_HZ: coarse, but correlation only needs the lower half of the band."""
    if rate_hz == RATE_HZ:
        return samples
    places = np.arange(0, len(samples), rate_hz / RATE_HZ)
    resampled: NDArray[np.float32] = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
    return resampled
