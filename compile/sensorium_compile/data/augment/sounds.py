"""Changes to a batch of mono sound: float32 (batch, samples) in [-1, 1]."""

import math

import torch
from torch import Tensor

from sensorium_compile.data.augment.config import Formants, Gain, Gaps, SoundAugment, Speed
from sensorium_compile.data.augment.dice import Dice, some
from sensorium_compile.data.augment.noises import add_noise
from sensorium_compile.data.augment.rooms import band_limited, reverberated

RATE_HZ = 16_000  # what every input of sound has

_GRAIN = 80  # 5 ms
_SOUNDING = 0.02  # of the loudest sample: what a shift must keep inside the window
_FRAME, _HOP = 512, 256  # of the spectra whose envelope is stretched: 32 ms, 16 ms
_LIFTER = 28  # quefrencies kept as the envelope: 1.75 ms, below the pitch period of any voice under 570 Hz
_ENVELOPE_NEPERS = 2.3  # 20 dB: what stretching may add to or take from a frequency


def augment_sounds(
    sounds: Tensor, config: SoundAugment, dice: Dice, name: str = "audio", pool: Tensor | None = None
) -> Tensor:
    """A changed copy of the batch; ``dice`` counts what was done under ``NAME.STEP``.

    ``pool`` are noises (clips, n >= samples) to mix in, beside the coloured noise that is made here.
    """
    out = sounds.clone()
    some(out, name, config.speed, resampled, dice)
    some(out, name, config.formants, stretched, dice)
    some(out, name, config.gaps, gapped, dice)
    some(out, name, config.room, reverberated, dice)
    clean = out.clone()  # babble is what others say, without their noise
    some(out, name, config.noise, lambda x, step, d: add_noise(x, clean, pool, step, d, name), dice)
    some(out, name, config.band, band_limited, dice)
    some(out, name, config.gain, louder, dice)
    return out.clamp_(-1, 1)


def resampled(sounds: Tensor, config: Speed, dice: Dice) -> Tensor:
    """Played at another speed around the middle of what sounds, then moved; what comes in is silence."""
    count, samples = sounds.shape
    speed = dice.ratio(config.speed, count, 1)
    first, last = _sounding(sounds)
    middle = (first + last) / 2
    half = (last - first) / (2 * speed)
    wish = middle + dice.uniform((-config.shift, config.shift), count, 1) * samples
    inside = torch.minimum(torch.maximum(wish, half), samples - 1 - half)
    centre = torch.where(2 * half < samples, inside, middle)
    at = (torch.arange(samples, device=sounds.device)[None] - centre) * speed + middle
    return _cubic(sounds, at)


def stretched(sounds: Tensor, config: Formants, dice: Dice) -> Tensor:
    """Another vocal tract at the same pitch: each frame's cepstral envelope is stretched along frequency."""
    count, samples = sounds.shape
    window = torch.hann_window(_FRAME, device=sounds.device)
    spectrum = torch.stft(sounds, _FRAME, _HOP, window=window, return_complex=True)  # (count, 257, frames)
    log = (spectrum.abs() + 1e-5).log().transpose(1, 2)  # (count, frames, 257)
    cepstrum = torch.fft.irfft(log, dim=-1)  # (count, frames, 512), even
    cepstrum[..., _LIFTER : _FRAME - _LIFTER + 1] = 0
    envelope: Tensor = torch.fft.rfft(cepstrum, dim=-1).real  # (count, frames, 257)
    bins = envelope.shape[-1]
    at = torch.arange(bins, device=sounds.device)[None] / dice.ratio(config.stretch, count, 1)
    low = at.floor().clamp(max=bins - 2).long()
    part = (at - low).clamp(max=1)[:, None]  # above the top bin the envelope goes on level

    def taken(index: Tensor) -> Tensor:
        out: Tensor = envelope.gather(2, index[:, None].expand(-1, envelope.shape[1], -1))
        return out

    moved = taken(low) * (1 - part) + taken(low + 1) * part
    gain = (moved - envelope).clamp(-_ENVELOPE_NEPERS, _ENVELOPE_NEPERS).exp().transpose(1, 2)
    made: Tensor = torch.istft(spectrum * gain, _FRAME, _HOP, window=window, length=samples)
    return made


def gapped(sounds: Tensor, config: Gaps, dice: Dice) -> Tensor:
    """A piece of each is silent."""
    count, samples = sounds.shape
    start = dice.integers(samples, count, 1)
    length = dice.uniform((0, config.longest_s * RATE_HZ), count, 1)
    at = torch.arange(samples, device=sounds.device)[None]
    return torch.where((at >= start) & (at < start + length), 0.0, sounds)


def louder(sounds: Tensor, config: Gain, dice: Dice) -> Tensor:
    """By a random gain, relative to the level it has."""
    return sounds * torch.exp(dice.uniform(config.gain_db, len(sounds), 1) * (math.log(10) / 20))


def _sounding(sounds: Tensor) -> tuple[Tensor, Tensor]:
    """First and last sample (count, 1) that is not silence, as floats."""
    peaks = torch.nn.functional.max_pool1d(sounds.abs()[:, None], _GRAIN, ceil_mode=True)[:, 0]  # (count, grains)
    loud = (peaks > _SOUNDING * peaks.amax(1, keepdim=True)).to(torch.int8)
    first = loud.argmax(1, keepdim=True) * _GRAIN
    last = (peaks.shape[1] - loud.flip(1).argmax(1, keepdim=True)) * _GRAIN - 1
    return first.float(), last.clamp(max=sounds.shape[1] - 1).float()


def _cubic(sounds: Tensor, at: Tensor) -> Tensor:
    """The sound at fractional places (count, n), zero outside: Catmull-Rom."""
    samples = sounds.shape[1]
    base = at.floor()
    t = at - base
    index = base.long()

    def sample(offset: int) -> Tensor:
        place = index + offset
        value = sounds.gather(1, place.clamp(0, samples - 1))
        return torch.where((place >= 0) & (place < samples), value, 0.0)

    a, b, c, d = sample(-1), sample(0), sample(1), sample(2)
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
