"""Sound of any rate and channel count, made into what the encoders hear: mono float32 chunks at 16 kHz."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SourceError
from sensorium_devices.images import require_file

RATE_HZ = 16_000  # what every speech model of the zoo hears
CHUNK = 512  # 32 ms: what the voice activity detector takes at once
QUALITY = "HQ"  # soxr's default, 20 bits; it holds back 21 ms of a 48 kHz stream, its fastest 6
LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000  # the fastest that sound files in use have; beyond is a broken header
MOST_CHANNELS = 64
MAX_SECONDS = 4 * 3600  # of a file that is read at once: a gigabyte as float32
BLOCK_VALUES = 2**20  # that are read at once: as much for 64 channels as for one


class Conditioner:
    """Blocks of float32 (n, channels) in, chunks of float32 (512,) at 16 kHz out, however it is cut.

    Channels are averaged, the rate is converted by soxr, what is not finite becomes 0 and is counted, and
    what exceeds [-1, 1] is clipped.
    """

    def __init__(self, rate_hz: int, out_rate_hz: int = RATE_HZ, chunk: int = CHUNK) -> None:
        self.not_finite = 0  # samples that were NaN or infinite
        self._chunk = chunk
        self._pending = np.zeros(0, np.float32)
        self._resampler = _Resampler(rate_hz, out_rate_hz)

    def feed(self, block: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The chunks that are complete after this block."""
        mono, bad = mixed(block)
        self.not_finite += bad
        return self._cut(self._resampler.feed(mono))

    def flush(self) -> list[NDArray[np.float32]]:
        """The rest at the end, filled up with silence to a whole chunk."""
        chunks = self._cut(self._resampler.flush())
        if len(self._pending):
            chunks += self._cut(np.zeros(self._chunk - len(self._pending), np.float32))
        return chunks

    def _cut(self, mono: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        joined = np.concatenate([self._pending, mono])
        whole = len(joined) // self._chunk * self._chunk
        self._pending = joined[whole:]
        return list(joined[:whole].reshape(-1, self._chunk))


class _Resampler:
    """Mono float32 from one rate to another, piece by piece as if it were whole; clipped to [-1, 1]."""

    def __init__(self, rate_hz: int, out_rate_hz: int) -> None:
        self._stream: Any = None
        if rate_hz != out_rate_hz:
            self._stream = load_soxr().ResampleStream(rate_hz, out_rate_hz, 1, dtype="float32", quality=QUALITY)

    def feed(self, mono: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        if self._stream is None:
            return mono
        samples: NDArray[np.float32] = np.clip(self._stream.resample_chunk(mono, last=last), -1.0, 1.0)
        return samples

    def flush(self) -> NDArray[np.float32]:
        return self.feed(np.zeros(0, np.float32), last=True)


def read_audio(path: str | Path, rate_hz: int = RATE_HZ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """A whole sound file as mono float32 (n,) in [-1, 1] at ``rate_hz``, and what was changed for it."""
    with open_sound(Path(path)) as sound:
        if sound.frames > MAX_SECONDS * sound.samplerate:
            raise SourceError(f"{path}: longer than {MAX_SECONDS // 3600} hours; cut it into pieces")
        notes = format_notes(sound.samplerate, sound.channels, rate_hz)
        promised = sound.frames
        resampler = _Resampler(sound.samplerate, rate_hz)
        pieces: list[NDArray[np.float32]] = []
        there = bad = 0
        most = BLOCK_VALUES // sound.channels
        while len(block := read_sound(sound, path, min(most, promised - there))):
            mono, not_finite = mixed(block)
            pieces.append(resampler.feed(mono))
            there += len(block)
            bad += not_finite
    if there < promised:
        notes += (f"cut off: {there} of {promised} samples are there",)
    if bad:
        notes += (f"{bad} samples were not finite, now 0",)
    return np.concatenate([*pieces, resampler.flush()]), notes


def mixed(block: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Float32 (n, channels) as mono (n,) in [-1, 1], and how many samples were not finite and are now 0."""
    bad = ~np.isfinite(block)
    count = int(bad.sum())
    if count:
        block = np.where(bad, np.float32(0), block)
    mono: NDArray[np.float32] = np.clip(block, -1.0, 1.0).mean(axis=1, dtype=np.float32)
    return mono, count


def read_sound(sound: Any, path: str | Path, frames: int) -> NDArray[np.float32]:
    """Up to ``frames`` from an open file as float32 (n, channels); raises SourceError where it is damaged."""
    try:
        block: NDArray[np.float32] = sound.read(frames, dtype="float32", always_2d=True)
    except (RuntimeError, OSError) as err:
        raise SourceError(f"{path}: damaged ({_reason(err)})") from err
    return block


def open_sound(path: Path) -> Any:
    """A ``soundfile.SoundFile``; raises SourceError when it is missing, empty, or no sound."""
    require_file(path)
    soundfile = load_soundfile()
    try:
        sound = soundfile.SoundFile(str(path))
    except (RuntimeError, OSError) as err:
        raise SourceError(f"{path}: not a sound file that can be read ({_reason(err)})") from err
    try:
        check_format(str(path), sound.samplerate, sound.channels)
        if sound.frames == 0:
            raise SourceError(f"{path}: no sound in it (0 samples)")
    except SourceError:
        sound.close()
        raise
    return sound


def check_format(name: str, rate_hz: int, channels: int) -> None:
    """Raise SourceError for a rate or a channel count that no sound has."""
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise SourceError(f"{name}: {rate_hz} Hz; a rate from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz can be heard")
    if not 1 <= channels <= MOST_CHANNELS:
        raise SourceError(f"{name}: {channels} channels; 1 to {MOST_CHANNELS} can be mixed")


def format_notes(rate_hz: int, channels: int, out_rate_hz: int = RATE_HZ) -> tuple[str, ...]:
    """What is done to sound of this format, for a person."""
    resampled = (f"resampled from {rate_hz} to {out_rate_hz} Hz",) if rate_hz != out_rate_hz else ()
    mixed = (f"{channels} channels mixed to one",) if channels > 1 else ()
    return resampled + mixed


def load_soundfile() -> Any:
    """The ``soundfile`` module; raises SourceError where it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError) as err:  # OSError: libsndfile itself is missing
        raise SourceError(f"soundfile is not installed ({err}); pip install 'sensorium[audio]'") from err
    return soundfile


def load_soxr() -> Any:
    """The ``soxr`` module; raises SourceError where it is not installed."""
    try:
        import soxr
    except ImportError as err:
        raise SourceError(f"soxr is not installed ({err}); pip install 'sensorium[audio]'") from err
    return soxr


def _reason(err: Exception) -> str:
    """Libsndfile's own words, without the path that it repeats."""
    return str(err).rpartition(": ")[2].rstrip(".")
