"""Noise for training: coloured and made here, babble of the batch, or clips of a pool; mixed at the ratio asked."""

import torch
from torch import Tensor

from sensorium_compile.data.augment.config import Noise
from sensorium_compile.data.augment.dice import Dice

FRAME = 320  # 20 ms at 16 kHz: over which a sound's level is taken
QUIET = 1e-3  # of the loudest frame's power, 30 dB: pauses and padding do not count to a sound's level
FLOOR = 1e-10  # power: a silent clip stays silent, its noise is at -100 dBFS plus the ratio
RATE_HZ = 16_000
_TALKERS = 4  # in babble
_SHAPE_BINS = 513  # of a spectrum's shape: 16 Hz, finer than its narrowest resonance


def add_noise(sounds: Tensor, others: Tensor, pool: Tensor | None, config: Noise, dice: Dice, name: str) -> Tensor:
    """Each sound with noise of its own; made quieter as a whole where the sum exceeds [-1, 1]."""
    count, samples = sounds.shape
    noise = torch.empty_like(sounds)
    kind = dice.uniform((0, 1), count)
    talk = kind < (config.babble if len(others) > 1 else 0.0)
    cut = ~talk & (kind > 1 - (config.pool if pool is not None and len(pool) else 0.0))
    for what, mask in (("babble", talk), ("pool", cut), ("coloured", ~talk & ~cut)):
        rows = torch.nonzero(mask)[:, 0]
        dice.applied[f"{name}.noise.{what}"] += len(rows)
        if not len(rows):
            continue
        if what == "babble":
            noise[rows] = _babble(len(rows), others, dice)
        elif what == "pool" and pool is not None:
            noise[rows] = _cut(len(rows), pool, samples, dice)
        else:
            noise[rows] = coloured_noise(len(rows), samples, dice)
    mixed = mix(sounds, noise, dice.uniform(config.snr_db, count, 1))
    return mixed / mixed.abs().amax(1, keepdim=True).clamp(min=1)


def mix(sounds: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Sum of both (count, samples), the noise scaled so that the sounding part of each sound is ``snr_db`` above it."""
    power = noise.square().mean(1, keepdim=True).clamp(min=FLOOR)
    wanted = sounding_power(sounds) / 10 ** (snr_db / 10)
    return sounds + noise * (wanted / power).sqrt()


def sounding_power(sounds: Tensor) -> Tensor:
    """Mean power (count, 1) of the frames within 30 dB of the loudest."""
    whole = sounds.shape[1] // FRAME * FRAME
    frames = sounds[:, :whole].reshape(len(sounds), -1, FRAME).square().mean(2)  # (count, frames)
    heard = frames >= QUIET * frames.amax(1, keepdim=True)
    return ((frames * heard).sum(1, keepdim=True) / heard.sum(1, keepdim=True)).clamp(min=FLOOR)


def coloured_noise(count: int, samples: int, dice: Dice) -> Tensor:
    """Noise falling with -0.5 to 2.5 powers of frequency, with two broad resonances, some of it swelling."""
    size = 1 << (samples - 1).bit_length()
    bins = size // 2 + 1
    hz = torch.linspace(0, RATE_HZ / 2, min(bins, _SHAPE_BINS), device=dice.device).clamp(min=20.0)[None]  # (1, coarse)
    shape = hz ** (-dice.uniform((-0.5, 2.5), count, 1) / 2)
    for _ in range(2):
        centre, width = dice.ratio((80, 7000), count, 1), dice.uniform((0.1, 1.0), count, 1)
        boost = dice.uniform((0, 6), count, 1)
        shape = shape * (1 + boost * torch.exp(-(hz / centre).log().square() / (2 * width.square())))
    fine = _resized(shape / shape.amax(1, keepdim=True), bins)
    real, imag = dice.normal(count, bins), dice.normal(count, bins)
    noise: Tensor = torch.fft.irfft(torch.complex(real, imag).mul_(fine), size)[:, :samples]
    time_s = torch.linspace(0, samples / RATE_HZ, 4 + samples // FRAME, device=dice.device)[None]
    rate_hz, phase = dice.ratio((0.3, 10), count, 1), dice.uniform((0, 6.2832), count, 1)
    swell = 1 + dice.uniform((0, 0.9), count, 1) * torch.sin(6.2832 * rate_hz * time_s + phase)
    return noise * _resized(swell, samples)


def _resized(rows: Tensor, length: int) -> Tensor:
    """(count, n) -> (count, length), linearly."""
    return torch.nn.functional.interpolate(rows[:, None], size=length, mode="linear", align_corners=True)[:, 0]


def _babble(count: int, others: Tensor, dice: Dice) -> Tensor:
    """Several other clips at once, each turned round in time by a random part, so that no gap is everywhere."""
    samples = others.shape[1]
    total = torch.zeros(count, samples, device=others.device)
    for _ in range(_TALKERS):
        voice = others[dice.integers(len(others), count)]
        at = (torch.arange(samples, device=others.device)[None] + dice.integers(samples, count, 1)) % samples
        level = dice.ratio((0.3, 1.0), count, 1) / sounding_power(voice).sqrt()
        total = total + voice.gather(1, at) * level
    return total


def _cut(count: int, pool: Tensor, samples: int, dice: Dice) -> Tensor:
    """A random stretch of random clips of the pool, repeated where a clip is too short."""
    clip = dice.integers(len(pool), count)
    start = dice.integers(pool.shape[1], count, 1)
    at = (start + torch.arange(samples, device=pool.device)[None]) % pool.shape[1]
    return pool[clip].gather(1, at)
