"""Rooms and microphones for training: reverberation, and what a cheap microphone takes away."""

import torch
from torch import Tensor

from sensorium_compile.data.augment.config import Band, Room
from sensorium_compile.data.augment.dice import Dice

RATE_HZ = 16_000
_LONGEST_S = 0.5  # of a response: at a T60 of 0.9 s it has fallen by 33 dB there
_EARLY = 8  # reflections from walls and table
_EARLY_S = 0.04  # they are within the first 40 ms (Kuttruff, Room Acoustics)
_TOP_MEL = 2840.0  # 8 kHz


def reverberated(sounds: Tensor, config: Room, dice: Dice) -> Tensor:
    """Each in a room of its own, at the power that it had; the direct sound stays where it is in time."""
    count, samples = sounds.shape
    response = responses(count, config, dice)
    size = samples + response.shape[1]
    wet = torch.fft.irfft(torch.fft.rfft(sounds, size) * torch.fft.rfft(response, size), size)[:, :samples]
    power = sounds.square().mean(1, keepdim=True) / wet.square().mean(1, keepdim=True).clamp(min=1e-12)
    out: Tensor = wet * power.sqrt()
    return out


def responses(count: int, config: Room, dice: Dice) -> Tensor:
    """Room impulse responses (count, 8000): the direct sound, some reflections, a tail whose highs die sooner.

    The tail is Polack's model: noise that falls exponentially, by 60 dB in ``decay_s``.
    """
    taps = int(_LONGEST_S * RATE_HZ)
    time_s = torch.arange(taps, device=dice.device)[None] / RATE_HZ
    decay_s = dice.ratio(config.decay_s, count, 1)
    noise = dice.normal(count, taps)
    smooth = torch.nn.functional.avg_pool1d(noise[:, None], 9, 1, 4)[:, 0]  # below about 0.9 kHz
    bright = decay_s * dice.uniform((0.3, 0.9), count, 1)
    tail = 3 * smooth * torch.exp(-6.9 * time_s / decay_s) + (noise - smooth) * torch.exp(-6.9 * time_s / bright)
    early = dice.uniform((1, _EARLY_S * RATE_HZ), count, _EARLY).long()
    height = dice.uniform((-1, 1), count, _EARLY) * 3
    tail = tail.scatter_add(1, early, height * torch.exp(-6.9 * early / RATE_HZ / decay_s))
    tail[:, 0] = 0
    direct_db = dice.uniform(config.direct_db, count, 1)
    tail = tail / tail.square().sum(1, keepdim=True).sqrt() * 10 ** (-direct_db / 20)
    tail[:, 0] = 1
    return tail


def band_limited(sounds: Tensor, config: Band, dice: Dice) -> Tensor:
    """Filtered: lows and highs cut by slopes of 6 to 24 dB an octave, a tilt, and sometimes a notch."""
    count, samples = sounds.shape
    size = samples + samples % 2
    hz = torch.fft.rfftfreq(size, 1 / RATE_HZ, device=sounds.device).clamp(min=1.0)[None]
    low, high = dice.ratio(config.low_hz, count, 1), dice.ratio(config.high_hz, count, 1)
    slopes = dice.integers(4, 2, count, 1) + 1
    gain = (1 + (low / hz) ** (2 * slopes[0])).rsqrt() * (1 + (hz / high) ** (2 * slopes[1])).rsqrt()
    octaves = (hz / 1000).log2().clamp(-2, 2)
    tilt_db = dice.uniform((-config.tilt_db, config.tilt_db), count, 1) * octaves
    gain = gain * 10 ** (tilt_db / 20)
    mel = 2595 * (1 + hz / 700).log10()
    centre, width = dice.uniform((100, _TOP_MEL), count, 1), dice.uniform((0, 0.2 * _TOP_MEL), count, 1)
    notched = dice.uniform((0, 1), count, 1) < config.notch
    gain = torch.where(notched & ((mel - centre).abs() < width / 2), 0.03, gain)
    out: Tensor = torch.fft.irfft(torch.fft.rfft(sounds, size) * gain, size)[:, :samples]
    return out
