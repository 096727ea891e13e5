"""Changes to batches of text, int64 (batch, tokens), and of readings, float32 (batch, window, channels)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sensorium.errors import unknown as unknown_name
from sensorium_compile.data.augment.config import (
    Crop,
    Dead,
    Drift,
    Jitter,
    ReadingsAugment,
    Rephrase,
    TextAugment,
    Words,
)
from sensorium_compile.data.augment.dice import Dice, some
from sensorium_compile.errors import CompileError

UNKNOWN = "[UNK]"


def augment_text(
    tokens: Tensor, config: TextAugment, dice: Dice, name: str = "text", *, ids: Mapping[str, int]
) -> Tensor:
    """A copy in which some words are said otherwise, and some unknown; the first and last token stay.

    ``ids`` are those of the vocabulary; raises CompileError where a word of the recipe is not in it.
    """
    unknown = ids[UNKNOWN]

    def dropped(batch: Tensor, step: Words, draw: Dice) -> Tensor:
        there = batch != 0  # (count, tokens)
        last = there.sum(1, keepdim=True) - 1
        at = torch.arange(batch.shape[1], device=batch.device)[None]
        word = there & (at > 0) & (at < last)
        return torch.where(word & (draw.uniform((0, 1), *batch.shape) < step.share), unknown, batch)

    out = tokens.clone()
    some(out, name, config.rephrase, lambda x, step, d: rephrased(x, step, ids, d), dice)
    some(out, name, config.words, dropped, dice)
    return out


def rephrased(batch: Tensor, step: Rephrase, ids: Mapping[str, int], dice: Dice) -> Tensor:
    """Words of (batch, tokens) replaced, others left out and what comes after them moved up."""
    out = batch
    for word, others in step.instead.items():
        for other in others:
            chance = step.share / len(others)
            hit = (batch == _id(word, ids)) & (dice.uniform((0, 1), *batch.shape) < chance)
            out = torch.where(hit, _id(other, ids), out)
    if step.drop:
        can = torch.isin(out, torch.tensor([_id(word, ids) for word in step.drop], device=out.device))
        gone = can & (dice.uniform((0, 1), *out.shape) < step.share)
        order = torch.sort(gone.long(), dim=1, stable=True).indices
        out = torch.where(gone, 0, out).gather(1, order)
    return out


def _id(word: str, ids: Mapping[str, int]) -> int:
    if word not in ids:
        raise CompileError(f"augment rephrase: {unknown_name('word', word, ids)}; add it to the vocabulary")
    return ids[word]


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
