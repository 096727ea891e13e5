"""What the sound head is fitted on: ESC-10 clips, clean speech, and generated background noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.components.sound import RATE_HZ, level_dbfs

Audio = NDArray[np.float32]

# Folder of ESC-10 -> a phrase for the text space (written by hand, before anything was measured).
ESC10_PHRASES = {
    "baby_cry": "a baby crying",
    "chainsaw": "a chainsaw running",
    "clock_tick": "a clock ticking",
    "dog_bark": "a dog barking",
    "fire_crackling": "a fire crackling",
    "helicopter": "a helicopter flying",
    "person_sneeze": "a person sneezing",
    "rain": "rain falling",
    "rooster": "a rooster crowing",
    "sea_waves": "sea waves",
}
SPEECH, BACKGROUND, SILENCE = "a person speaking", "background noise", "silence"
LABELS = (*ESC10_PHRASES.values(), SPEECH, BACKGROUND, SILENCE)
SILENCE_DBFS = -60.0  # a quiet room through a common microphone is about -65 to -55 dBFS in its loudest 100 ms
_WINDOWS_S = ((5.0, 5.0), (2.0, 1.5), (1.0, 2.0))  # length and stride: what the tagger may be given
_SPEEDS = (0.78, 1.0, 1.28)  # a larger and a smaller speaker: few voices become more
_QUIET_DB = 35.0  # a window that far below its clip's loudest is padding or a pause, not the clip's sound


@dataclass(frozen=True, slots=True)
class Clip:
    """A labelled recording; clips of one group are never split between fitting and measuring."""

    label: str
    group: str
    audio: Audio


def esc10_clips(root: Path) -> list[Clip]:
    """The clips of a folder ``class/FOLD-ID-TAKE.flac`` of 16 kHz FLAC files; group = fold."""
    return [
        Clip(phrase, f"fold{path.name.split('-')[0]}", read_audio(path))
        for folder, phrase in ESC10_PHRASES.items()
        for path in sorted((root / folder).glob("*.flac"))
    ]


def speech_clips(root: Path) -> list[Clip]:
    """Speech ``VOICE_*.wav``, cut into pieces of 5 s, each also played slower and faster; group = voice."""
    clips: list[Clip] = []
    for path in sorted(root.glob("*.wav")):
        audio, step = read_audio(path), 5 * RATE_HZ
        for speed in _SPEEDS:
            voice = np.interp(np.arange(0, len(audio) - 1, speed), np.arange(len(audio)), audio).astype(np.float32)
            starts = range(0, max(1, len(voice) - RATE_HZ), step)
            clips += [Clip(SPEECH, path.stem.split("_")[0], voice[s : s + step]) for s in starts]
    return clips


def background_clips(count: int, seed: int) -> list[Clip]:
    """Generated noise of 5 s: coloured, filtered, humming, toned, clicking at random."""
    rng = np.random.default_rng(seed)
    makers = (_coloured, _coloured, _throbbing, _hum, _tones, _clicks, _music)
    return [Clip(BACKGROUND, f"fold{1 + i % 4}", _levelled(makers[i % len(makers)](rng), rng)) for i in range(count)]


def windows(clip: Clip, *, only_s: float | None = None) -> Iterator[Audio]:
    """Windows of 5, 2 and 1 s (or ``only_s``) that hold the clip's sound rather than its padding."""
    loudest = level_dbfs(clip.audio)
    for length_s, stride_s in _WINDOWS_S:
        if only_s not in (None, length_s):
            continue
        length, stride = int(length_s * RATE_HZ), int(stride_s * RATE_HZ)
        for start in range(0, max(1, len(clip.audio) - length + 1), stride):
            window = clip.audio[start : start + length]
            if len(window) >= RATE_HZ and level_dbfs(window) > max(loudest - _QUIET_DB, SILENCE_DBFS):
                yield window


def augmented(audio: Audio, rng: np.random.Generator) -> Audio:
    """The same sound in coloured noise 5-25 dB below it, half of the time through a short made-up room."""
    if rng.random() < 0.5:
        decay_s = rng.uniform(0.02, 0.15)
        time_s = np.arange(int(4 * decay_s * RATE_HZ)) / RATE_HZ
        tail = rng.standard_normal(len(time_s)) * np.exp(-time_s / decay_s) * 0.05
        tail[0] = 1.0
        audio = _convolve(audio, tail)
    noise = _coloured(rng)[: len(audio)]
    gain = 10 ** (-rng.uniform(5, 25) / 20) * np.std(audio) / max(float(np.std(noise)), 1e-9)
    return (audio + gain * noise).astype(np.float32)


def read_audio(path: Path) -> Audio:
    """A sound file as mono float32 at 16 kHz."""
    import soundfile  # only who fits needs it
    import soxr

    audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono: Audio = audio.mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = soxr.resample(mono, rate_hz, RATE_HZ).astype(np.float32)
    return mono


def _coloured(rng: np.random.Generator) -> Audio:
    """Noise that falls with 0-2.5 powers of frequency, with two broad random resonances, slowly swelling."""
    count = 5 * RATE_HZ
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    shape = np.maximum(hz, 20.0) ** (-rng.uniform(0, 2.5) / 2)
    for _ in range(2):
        centre, width = rng.uniform(80, 7000), rng.uniform(0.1, 1.0)
        shape *= 1 + rng.uniform(0, 6) * np.exp(-(np.log(np.maximum(hz, 20.0) / centre) ** 2) / (2 * width**2))
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * shape, count)
    swell = 1 + rng.uniform(0, 0.5) * np.sin(2 * np.pi * rng.uniform(0.05, 0.5) * _time_s() + rng.uniform(0, 6.28))
    out: Audio = (noise / noise.std() * swell).astype(np.float32)
    return out


def _hum(rng: np.random.Generator) -> Audio:
    """Mains or a motor: a harmonic series over a little coloured noise."""
    base_hz, fall = rng.choice([50.0, 60.0, rng.uniform(30, 300)]), rng.uniform(0.5, 2.0)
    series = sum(k**-fall * np.sin(2 * np.pi * base_hz * k * _time_s() + rng.uniform(0, 6.28)) for k in range(1, 20))
    out: Audio = (series + rng.uniform(0.05, 0.5) * _coloured(rng)).astype(np.float32)
    return out


def _tones(rng: np.random.Generator) -> Audio:
    """Beeps and chords: one to four tones, each switched on for a while."""
    total = 0.02 * _coloured(rng)
    for _ in range(rng.integers(1, 8)):
        start, length = rng.uniform(0, 4), rng.uniform(0.1, 3)
        gate = (_time_s() > start) & (_time_s() < start + length)
        total = total + gate * np.sin(2 * np.pi * rng.uniform(100, 4000) * _time_s())
    return total.astype(np.float32)


def _clicks(rng: np.random.Generator) -> Audio:
    """Handling, keys, knocks: bursts at random times (a clock's are regular)."""
    total = 0.02 * _coloured(rng)
    for _ in range(rng.integers(3, 25)):
        length = int(rng.uniform(0.005, 0.15) * RATE_HZ)
        start = rng.integers(0, len(total) - length)
        burst = _coloured(rng)[:length] * np.exp(-np.linspace(0, rng.uniform(2, 8), length))
        total[start : start + length] += rng.uniform(0.2, 1) * burst
    return total


def _throbbing(rng: np.random.Generator) -> Audio:
    """Engines, fans, appliances: coloured noise and hum that swell 2-40 times a second."""
    mix = rng.uniform(0, 1)
    swell = 1 + rng.uniform(0.1, 1) * np.sin(2 * np.pi * rng.uniform(2, 40) * _time_s())
    out: Audio = ((mix * _coloured(rng) + (1 - mix) * _hum(rng)) * swell).astype(np.float32)
    return out


def _music(rng: np.random.Generator) -> Audio:
    """Notes of an equal-tempered scale, plucked or held, two voices."""
    total = 0.005 * _coloured(rng)
    beat_s, decay_s = rng.uniform(0.1, 0.6), rng.uniform(0.05, 2)
    harmonics = rng.uniform(0, 1, 6) ** 2
    for start in np.arange(0, 4.9, beat_s):
        for _ in range(rng.integers(1, 3)):
            hz, elapsed = 440 * 2 ** (rng.integers(-24, 20) / 12), np.maximum(_time_s() - start, 0)
            note = sum(g * np.sin(2 * np.pi * hz * (k + 1) * elapsed) for k, g in enumerate(harmonics))
            total = total + note * np.exp(-elapsed / decay_s) * (elapsed > 0)
    return total.astype(np.float32)


def _levelled(audio: Audio, rng: np.random.Generator) -> Audio:
    out: Audio = (audio / np.abs(audio).max() * 10 ** (-rng.uniform(3, 40) / 20)).astype(np.float32)
    return out


def _convolve(audio: Audio, response: NDArray[np.float64]) -> Audio:
    size = len(audio) + len(response)
    out = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(response, size), size)[: len(audio)]
    return out.astype(np.float32)


def _time_s() -> NDArray[np.float64]:
    return np.arange(5 * RATE_HZ) / RATE_HZ
