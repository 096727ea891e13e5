"""A tower for readings of any other sensor: convolutions over time."""

from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import StepPool
from sensorium_compile.towers.registry import dimension
from sensorium_compile.zoo import Weights

NAME = "readings"
_LIMIT = 10.0  # deviations: a reading beyond is a fault, and would cost int8 its resolution

Width = Annotated[int, Field(ge=1)]


class ReadingsOptions(TowerOptions):
    """Its layers."""

    features: Annotated[tuple[Width, ...], Field(min_length=1)] = (32, 64)  # each halves the time
    kernel: Annotated[int, Field(ge=1)] = 5  # steps; an odd number
    tokens: Annotated[int, Field(ge=1)] = 1


class Standardise(nn.Module):
    """Readings (batch, window, channels) -> each channel with mean 0 and deviation 1 over the training data."""

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def fit(self, samples: Tensor) -> None:
        """Take mean and deviation from samples (n, window, channels); a constant channel becomes 0."""
        flat = samples.reshape(-1, samples.shape[-1]).double()
        deviation = flat.std(0, correction=0)
        self.mean.copy_(flat.mean(0))
        self.scale.copy_(torch.where(deviation > 0, 1 / deviation, 1.0))

    def forward(self, readings: Tensor) -> Tensor:
        """Shift, scale, and cut what is far off."""
        return torch.clamp((readings - self.mean) * self.scale, -_LIMIT, _LIMIT)


class TimeConv(nn.Module):
    """Convolution over time of stride 2, batch normalisation, ReLU."""

    def __init__(self, into: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(into, out, kernel, stride=2, padding=kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm1d(out)
        self.active = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, time) -> (batch, out, ceil(time / 2))."""
        return cast(Tensor, self.active(self.norm(self.conv(x))))


class ReadingsTower(Tower):
    """Readings float32 (batch, window, channels) -> tokens (batch, count, width)."""

    def __init__(self, window: int, channels: int, options: ReadingsOptions) -> None:
        super().__init__(options.tokens, options.width or options.features[-1])
        self.standardise = Standardise(channels)
        self.blocks = nn.Sequential()
        into, steps = channels, window
        for out in options.features:
            self.blocks.append(TimeConv(into, out, options.kernel))
            into, steps = out, (steps + 2 * (options.kernel // 2) - options.kernel) // 2 + 1
        self.pool = StepPool(steps, options.tokens)
        self.project = projection(into, options.width)

    def fit_statistics(self, samples: Tensor) -> None:
        """Mean and deviation of every channel."""
        self.standardise.fit(samples)

    def forward(self, sample: Tensor) -> Tensor:
        """Readings to tokens."""
        x = self.blocks(self.standardise(sample).transpose(1, 2))
        return cast(Tensor, self.project(self.pool(x)))


def build(spec: object, options: ReadingsOptions, _weights: Weights | None) -> ReadingsTower:
    """The tower for ``spec.window`` readings of ``spec.channels``."""
    return ReadingsTower(dimension(spec, "window", NAME), dimension(spec, "channels", NAME), options)
