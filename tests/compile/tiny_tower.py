"""A plugin, as somebody's package would be: it registers a tower for sound that learns in a second."""

from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.towers import Tower, TowerOptions, projection, register_tower
from sensorium_compile.zoo import Weights


class TinySoundOptions(TowerOptions):
    channels: Annotated[int, Field(ge=1)] = 8


class TinySound(Tower):
    """Sound (batch, samples) -> its loudness in three parts, by convolution: one token."""

    def __init__(self, options: TinySoundOptions) -> None:
        features = 3 * options.channels
        super().__init__(1, options.width or features)
        self.wave = nn.Conv1d(1, options.channels, 40, 20)
        self.pool = nn.AvgPool1d(29, 30)
        self.project = projection(features, options.width)

    def forward(self, sample: Tensor) -> Tensor:
        loud = self.pool(self.wave(sample[:, None]).relu())  # (batch, channels, 3)
        return cast(Tensor, self.project(loud.flatten(1)[:, None]))


def build(_spec: object, options: TinySoundOptions, _weights: Weights | None) -> TinySound:
    return TinySound(options)


register_tower("tiny_sound", build, TinySoundOptions)
