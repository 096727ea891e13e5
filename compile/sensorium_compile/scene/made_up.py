"""Sounds that nobody recorded: tones, sweeps, hums, hisses, clicks and rhythms, for a teacher to have an opinion on.

Recordings that may train what ships are few. What a teacher finds in such sounds (bells, engines, whistles, wind) is
wrong as often as right, but it is what the student is to find too.
"""

import numpy as np
from numpy.typing import NDArray

from sensorium.components.sound import RATE_HZ

SECONDS = 3

Sound = NDArray[np.float64]


def made_up(count: int, seed: int) -> list[NDArray[np.float32]]:
    """``count`` sounds of 3 s at 16 kHz in [-1, 1], each one to three sources at once."""
    rng = np.random.default_rng(seed)
    sounds = []
    for _ in range(count):
        sources = [_source(rng) * 10 ** rng.uniform(-1, 0) for _ in range(rng.integers(1, 4))]
        mixed = np.sum(sources, axis=0)
        level = 10 ** rng.uniform(-1.7, -0.2)
        sounds.append((mixed * level / max(float(np.abs(mixed).max()), 1e-9)).astype(np.float32))
    return sounds


def _source(rng: np.random.Generator) -> Sound:
    makers = (_voice, _noise, _clicks)
    return makers[rng.integers(len(makers))](rng) * _envelope(rng)


def _voice(rng: np.random.Generator) -> Sound:
    """Harmonics over a pitch that glides and trembles: from a hum of 40 Hz to a whistle of 4 kHz."""
    t = _time()
    pitch = np.exp(rng.uniform(np.log(40), np.log(4000))) * np.exp(rng.normal(0, 0.4) * t / SECONDS)
    pitch *= 1 + rng.uniform(0, 0.05) * np.sin(2 * np.pi * rng.uniform(2, 9) * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    stretch = rng.choice([1.0, 1.0, rng.uniform(1.0, 1.08)])  # bells and plates are not harmonic
    falls, most = rng.uniform(0.3, 2.5), rng.integers(1, 25)
    total = np.zeros_like(t)
    for number in range(1, int(most) + 1):
        audible = pitch * number**stretch < RATE_HZ / 2
        total += audible * np.sin(phase * number**stretch + rng.uniform(0, 2 * np.pi)) / number**falls
    return total


def _noise(rng: np.random.Generator) -> Sound:
    """Noise of any colour, in a band or not: hiss, rumble, wind."""
    spectrum = np.fft.rfft(rng.normal(size=RATE_HZ * SECONDS))
    hz = np.maximum(np.fft.rfftfreq(RATE_HZ * SECONDS, 1 / RATE_HZ), 20)
    shape = hz ** rng.uniform(-1.5, 0.3)
    if rng.random() < 0.5:
        shape *= np.exp(-((np.log2(hz / np.exp(rng.uniform(np.log(80), np.log(6000))))) ** 2) / rng.uniform(0.02, 4))
    made = np.fft.irfft(spectrum * shape, RATE_HZ * SECONDS)
    out: Sound = made / max(float(np.abs(made).max()), 1e-9)
    return out


def _clicks(rng: np.random.Generator) -> Sound:
    """Short bursts, regular as a clock's or not as a fire's, each ringing a little."""
    total = np.zeros(RATE_HZ * SECONDS)
    rate_hz, steady = np.exp(rng.uniform(np.log(0.7), np.log(40))), rng.random() < 0.5
    gaps = np.full(500, 1 / rate_hz) if steady else rng.exponential(1 / rate_hz, 500)
    ring = np.arange(int(RATE_HZ * 0.15)) / RATE_HZ
    burst = np.exp(-ring / np.exp(rng.uniform(np.log(0.001), np.log(0.05))))
    burst *= np.sin(2 * np.pi * rng.uniform(200, 6000) * ring) + rng.normal(0, rng.uniform(0, 1), len(ring))
    for at in (np.cumsum(gaps) * RATE_HZ).astype(int):
        if at >= len(total) - len(ring):
            break
        total[at : at + len(ring)] += burst * rng.uniform(0.3, 1)
    return total


def _envelope(rng: np.random.Generator) -> Sound:
    """Steady, beating, or struck again and again."""
    t = _time()
    kind = rng.integers(3)
    if kind == 0:
        return np.ones_like(t)
    rate_hz = np.exp(rng.uniform(np.log(0.4), np.log(25)))
    if kind == 1:
        beat: Sound = 1 - rng.uniform(0.2, 1) * (0.5 + 0.5 * np.sin(2 * np.pi * rate_hz * t))
        return beat
    struck: Sound = np.exp(-((t * rate_hz / 4) % 1.0) * rng.uniform(1, 12))
    return struck


def _time() -> Sound:
    return np.arange(RATE_HZ * SECONDS) / RATE_HZ
