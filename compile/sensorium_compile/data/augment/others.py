"""Changes to batches of text, int64 (batch, tokens), and of readings, float32 (batch, window, channels)."""

import torch
from torch import Tensor

from sensorium_compile.data.augment.config import Crop, Dead, Drift, Jitter, ReadingsAugment, TextAugment, Words
from sensorium_compile.data.augment.dice import Dice, some


def augment_text(tokens: Tensor, config: TextAugment, dice: Dice, name: str = "text", *, unknown: int) -> Tensor:
    """A copy in which some words are the id ``unknown``; the first and last token and the padding stay."""

    def dropped(batch: Tensor, step: Words, draw: Dice) -> Tensor:
        there = batch != 0  # (count, tokens)
        last = there.sum(1, keepdim=True) - 1
        at = torch.arange(batch.shape[1], device=batch.device)[None]
        word = there & (at > 0) & (at < last)
        return torch.where(word & (draw.uniform((0, 1), *batch.shape) < step.share), unknown, batch)

    out = tokens.clone()
    some(out, name, config.words, dropped, dice)
    return out


def augment_readings(readings: Tensor, config: ReadingsAugment, dice: Dice, name: str = "readings") -> Tensor:
    """A changed copy; a channel's deviation is taken over the whole batch."""
    deviation = readings.std((0, 1), keepdim=True)  # (1, 1, channels)
    out = readings.clone()
    some(out, name, config.crop, cropped, dice)
    some(out, name, config.drift, lambda x, step, d: drifted(x, deviation, step, d), dice)
    some(out, name, config.jitter, lambda x, step, d: jittered(x, deviation, step, d), dice)
    some(out, name, config.dead, deadened, dice)
    return out


def cropped(readings: Tensor, config: Crop, dice: Dice) -> Tensor:
    """A random piece of each, stretched to the window by linear interpolation."""
    count, window, channels = readings.shape
    kept = dice.uniform(config.share, count, 1) * (window - 1)
    start = dice.uniform((0, 1), count, 1) * (window - 1 - kept)
    at = start + kept * torch.linspace(0, 1, window, device=readings.device)[None]  # (count, window)
    low = at.floor().clamp(max=max(window - 2, 0)).long()
    part = (at - low)[..., None]

    def taken(index: Tensor) -> Tensor:
        return readings.gather(1, index[..., None].expand(-1, -1, channels))

    return taken(low) * (1 - part) + taken((low + 1).clamp(max=window - 1)) * part


def drifted(readings: Tensor, deviation: Tensor, config: Drift, dice: Dice) -> Tensor:
    """Each channel scaled around its mean in the window, and moved."""
    count, _, channels = readings.shape
    mean = readings.mean(1, keepdim=True)
    scale = dice.uniform((1 - config.scale, 1 + config.scale), count, 1, channels)
    offset = dice.uniform((-config.offset, config.offset), count, 1, channels) * deviation
    return (readings - mean) * scale + mean + offset


def jittered(readings: Tensor, deviation: Tensor, config: Jitter, dice: Dice) -> Tensor:
    """White noise on each reading."""
    return readings + dice.normal(*readings.shape) * deviation * config.deviation


def deadened(readings: Tensor, config: Dead, dice: Dice) -> Tensor:
    """One channel of each no longer changes."""
    count, _, channels = readings.shape
    which = dice.integers(channels, count)[:, None, None]
    return torch.where(which == torch.arange(channels, device=readings.device), readings[:, :1], readings)
