"""A tower for gas sensors: the logarithm of each channel's level over a few stretches of the window, then a network.

A metal-oxide sensor answers to a gas by a power law, so levels are compared as logarithms. Sensors drift from
one session to the next: while it is taught, every window is moved by a random drift of its own, so that no
class is told by a difference that drift could have made.
"""

from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.towers import Tower, TowerOptions, dimension, projection
from sensorium_compile.zoo import Weights

NAME = "gas_levels"
_MOST = 1e5  # a reading above is a fault of the sensor (SmellNet writes 4294967295), not a level
_LIMIT = 6.0  # deviations: what is further off costs int8 its resolution


class GasOptions(TowerOptions):
    """Its layers, and how much drift it is taught to bear."""

    features: Annotated[int, Field(ge=1)] = 96
    tokens: Annotated[int, Field(ge=1)] = 4  # stretches of the window, each told by a token
    drift: Annotated[float, Field(ge=0)] = 0.02  # standard deviation in natural logarithms: 0.02 is 2 % of a level
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class Levels(nn.Module):
    """Readings (batch, window, channels) -> (batch, count, channels) standardised logarithms of mean levels."""

    float_only = True  # raw levels span four decades
    mean: Tensor
    scale: Tensor

    def __init__(self, window: int, channels: int, count: int, drift: float) -> None:
        super().__init__()
        self.pool = nn.AvgPool1d(window // count)
        self.drift = drift
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def fit(self, samples: Tensor) -> None:
        """Take mean and deviation from samples (n, window, channels)."""
        levels = self._levels(samples).flatten(0, 1)
        self.mean.copy_(levels.mean(0))
        self.scale.copy_(1 / levels.std(0, correction=0).clamp(min=1e-6))

    def forward(self, readings: Tensor) -> Tensor:
        """See the class; in training with a drift that is the same over a window."""
        levels = self._levels(readings)
        if self.training and self.drift:
            batch, _, channels = levels.shape
            levels = levels + self.drift * (torch.randn(batch, 1, channels) + torch.randn(batch, 1, 1))
        return torch.clamp((levels - self.mean) * self.scale, -_LIMIT, _LIMIT)

    def _levels(self, readings: Tensor) -> Tensor:
        clipped = torch.clamp(readings, 0.0, _MOST)
        return torch.log(self.pool(clipped.transpose(1, 2)).transpose(1, 2) + 1.0)


class GasTower(Tower):
    """Readings float32 (batch, window, channels), as the sensors give them -> tokens (batch, count, width)."""

    def __init__(self, window: int, channels: int, options: GasOptions) -> None:
        super().__init__(options.tokens, options.width or options.features)
        if window % options.tokens:
            raise CompileError(f"tower {NAME!r}: {options.tokens} tokens do not divide a window of {window} readings")
        self.levels = Levels(window, channels, options.tokens, options.drift)
        self.network = nn.Sequential(
            nn.Linear(channels, options.features),
            nn.ReLU(),
            nn.Dropout(options.dropout),
            nn.Linear(options.features, options.features),
            nn.ReLU(),
            nn.Dropout(options.dropout),
        )
        self.project = projection(options.features, options.width)

    def fit_statistics(self, samples: Tensor) -> None:
        """Mean and deviation of every channel's level, from samples (n, window, channels)."""
        self.levels.fit(samples)

    def forward(self, sample: Tensor) -> Tensor:
        """Readings to tokens."""
        return cast(Tensor, self.project(self.network(self.levels(sample))))


def build(spec: object, options: GasOptions, _weights: Weights | None) -> GasTower:
    """The tower for ``spec.window`` readings of ``spec.channels`` sensors."""
    return GasTower(dimension(spec, "window", NAME), dimension(spec, "channels", NAME), options)
