"""A small convolutional tower from scratch, for easy images and for tests."""

from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import ConvNorm, GridPool
from sensorium_compile.towers.registry import image_side
from sensorium_compile.zoo import Weights

NAME = "convnet"
_MEAN, _SCALE = 127.0, 128.0  # as of EfficientNet-Lite, so that both see the same numbers

Width = Annotated[int, Field(ge=1)]


class ConvNetOptions(TowerOptions):
    """Its layers."""

    channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (16, 32, 64)  # each halves the image
    grid: Annotated[int, Field(ge=1)] = 1  # 1: one token of the whole image; 2: 2 x 2 tokens


class ConvNetTower(Tower):
    """Image float32 (batch, 3, height, width) RGB of 0..255 -> tokens (batch, grid * grid, width)."""

    def __init__(self, side: tuple[int, int], options: ConvNetOptions) -> None:
        super().__init__(options.grid**2, options.width or options.channels[-1])
        self.blocks = nn.Sequential()
        into = 3
        for out in options.channels:
            block = ConvNorm((into, out), 3, side, stride=2, active=nn.ReLU())
            self.blocks.append(block)
            into, side = out, block.side
        self.pool = GridPool(side, options.grid)
        self.project = projection(into, options.width)

    def forward(self, sample: Tensor) -> Tensor:
        """Images to tokens."""
        return cast(Tensor, self.project(self.pool(self.blocks((sample - _MEAN) * (1 / _SCALE)))))


def build(spec: object, options: ConvNetOptions, _weights: Weights | None) -> ConvNetTower:
    """The tower for images of ``spec.height`` x ``spec.width``."""
    return ConvNetTower(image_side(spec, NAME), options)
