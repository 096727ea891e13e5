"""Where speech goes when no loudspeaker plays it: a wav file, nowhere."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SinkError, SourceError
from sensorium_devices.sound import load_soundfile, load_soxr

# What is handed on at once [s]: how soon a ``stop`` is heard. On PulseAudio, pieces of 20 ms are heard for 49 ms after
# it (p95 56), of 15 ms for 36 ms (43), of 10 ms for 24 ms (29). But a busy machine (a load of 18 on 2 cores) is late
# for so many of the small ones that what it plays is no longer like what it was given, and it takes its own voice for
# a user's. With 20 ms, 3 stops of 18 took 61 to 63 ms from the noticing of a voice, and 60 are allowed; now 30 to 49.
PIECE_S = 0.0175
AHEAD_S = 0.2  # how far writing may run ahead of the loudspeaker [s]


class NullSpeaker:
    """Says nothing; takes as long as the speech lasts, or no time at all when not ``realtime``."""

    def __init__(self, *, realtime: bool = True, name: str = "none") -> None:
        self._name = name
        self._realtime = realtime
        self._stopped = threading.Event()
        self._rate_hz = 1
        self._due = 0.0  # until when what was written lasts [s, monotonic]

    @property
    def name(self) -> str:
        """As the user wrote it."""
        return self._name

    def start(self, rate_hz: int) -> None:
        """Begin an utterance."""
        self._rate_hz = rate_hz
        self._due = time.monotonic()
        self._stopped.clear()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Let it pass, piece by piece, at most 0.2 s ahead of the time that it takes."""
        step = max(1, round(self._rate_hz * PIECE_S))
        for begin in range(0, len(samples), step):
            if self._realtime:
                self._stopped.wait(max(0.0, self._due - AHEAD_S - time.monotonic()))
            if self._stopped.is_set():
                return
            piece = samples[begin : begin + step]
            self._due = max(self._due, time.monotonic()) + len(piece) / self._rate_hz
            self._keep(piece)

    def drain(self) -> None:
        """Wait until it would have been heard."""
        if self._realtime:
            self._stopped.wait(max(0.0, self._due - time.monotonic()))

    def stop(self) -> None:
        """Fall silent."""
        self._stopped.set()

    def close(self) -> None:
        """Fall silent for good."""
        self._stopped.set()

    def _keep(self, piece: NDArray[np.float32]) -> None:
        """What becomes of each piece."""


class WavSpeaker(NullSpeaker):
    """Writes 16-bit mono wav: ``x.wav`` gets every utterance in turn; a folder gets one file each.

    A file has the rate of its first utterance; a later one of another rate is resampled. Existing files are
    replaced, except in a folder, where counting goes on (``0001.wav``, ``0002.wav``).
    """

    def __init__(self, path: str | Path, *, realtime: bool = False) -> None:
        super().__init__(realtime=realtime, name=str(path))
        self._path = Path(path)
        self._single = self._path.suffix.lower() == ".wav"
        self._lock = threading.Lock()
        self._file: Any = None
        self._resampler: Any = None

    def start(self, rate_hz: int) -> None:
        """Begin an utterance, in a folder a new file; raises SinkError when it cannot be written."""
        super().start(rate_hz)
        with self._lock:
            if not self._single:
                self._release()
            if self._file is None:
                self._file = _create(self._path if self._single else _next_file(self._path), rate_hz)
            same = self._file.samplerate == rate_hz
            self._resampler = None if same else resampler(rate_hz, self._file.samplerate)

    def drain(self) -> None:
        """Wait until it would have been heard; the file is whole then, whatever happens later."""
        super().drain()
        with self._lock:
            if self._file is not None and self._resampler is not None:
                self._write(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
                self._resampler = None
            if self._file is not None:
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        super().close()
        with self._lock:
            self._release()

    def _keep(self, piece: NDArray[np.float32]) -> None:
        with self._lock:
            if self._file is None:
                return
            self._write(self._resampler.resample_chunk(piece) if self._resampler is not None else piece)

    def _write(self, samples: NDArray[np.float32]) -> None:
        try:
            self._file.write(np.clip(samples, -1.0, 1.0))
        except (RuntimeError, OSError) as err:
            raise SinkError(f"speaker {self._name}: {err}") from err

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _create(path: Path, rate_hz: int) -> Any:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return load_soundfile().SoundFile(str(path), "w", rate_hz, 1, "PCM_16", format="WAV")
    except SourceError as err:
        raise SinkError(str(err)) from err
    except (OSError, RuntimeError) as err:
        raise SinkError(f"speaker {path}: cannot be written ({err})") from err


def _next_file(folder: Path) -> Path:
    taken = [int(path.stem) for path in folder.glob("*.wav") if path.stem.isdecimal()]
    return folder / f"{max(taken, default=0) + 1:04d}.wav"


def resampler(rate_hz: int, out_rate_hz: int) -> Any:
    """A soxr stream between two rates; raises SinkError where soxr is not installed."""
    try:
        return load_soxr().ResampleStream(rate_hz, out_rate_hz, 1, dtype="float32")
    except SourceError as err:
        raise SinkError(str(err)) from err
