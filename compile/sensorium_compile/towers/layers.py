"""Layers that several towers share: convolution with batch normalisation, TensorFlow's padding, pooling to a grid."""

import copy
import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sensorium_compile.errors import CompileError


class ConvNorm(nn.Module):
    """Convolution over images, batch normalisation, activation; padded as TensorFlow's SAME for one input size."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: int,
        side: tuple[int, int],
        *,
        stride: int = 1,
        groups: int = 1,
        active: nn.Module | None = None,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        (top, bottom), (left, right) = (same_padding(n, kernel, stride) for n in side)
        even = top == bottom and left == right
        # ONNX Runtime folds the explicit padding into the convolution.
        self.pad = nn.Identity() if even else nn.ZeroPad2d((left, right, top, bottom))
        padding = (top, left) if even else (0, 0)
        self.conv = nn.Conv2d(*channels, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels[1], eps=epsilon)
        self.active = nn.Identity() if active is None else active
        self.side = (-(-side[0] // stride), -(-side[1] // stride))  # of its output

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) -> (batch, out, ceil(height / stride), ceil(width / stride))."""
        out: Tensor = self.active(self.norm(self.conv(self.pad(x))))
        return out


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow's SAME and ONNX's SAME_UPPER have it: what is odd comes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class GridPool(nn.Module):
    """Feature map (batch, channels, height, width) -> tokens (batch, grid * grid, channels), by averages.

    All windows have one size, so the pooling exports as one operator; they overlap where the grid does not
    divide the map.
    """

    def __init__(self, side: tuple[int, int], grid: int) -> None:
        super().__init__()
        if grid > min(side):
            raise CompileError(
                f"a grid of {grid} x {grid} on features of {side[0]} x {side[1]}; use {min(side)} or less"
            )
        stride = (side[0] // grid, side[1] // grid)
        kernel = (side[0] - (grid - 1) * stride[0], side[1] - (grid - 1) * stride[1])
        self.pool = nn.AvgPool2d(kernel, stride)
        self.count = grid * grid

    def forward(self, x: Tensor) -> Tensor:
        """Average each window."""
        out: Tensor = self.pool(x).flatten(2).transpose(1, 2)
        return out


class StepPool(nn.Module):
    """Steps (batch, channels, time) -> tokens (batch, count, channels), by averages of neighbours."""

    def __init__(self, steps: int, count: int) -> None:
        super().__init__()
        if count > steps:
            raise CompileError(f"{count} tokens out of {steps} steps; use {steps} or less")
        stride = steps // count
        self.pool = nn.AvgPool1d(steps - (count - 1) * stride, stride) if count < steps else nn.Identity()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """Average each window."""
        out: Tensor = self.pool(x).transpose(1, 2)
        return out


def fold_batchnorm(module: nn.Module) -> nn.Module:
    """A copy of ``module`` for inference, each batch normalisation folded into the convolution before it.

    Pairs are children of one parent, in their order: ``conv`` then ``norm``. The names of blocks stay.
    """
    folded = copy.deepcopy(module).eval()
    for parent in list(folded.modules()):
        children = list(parent.named_children())
        for (name, conv), (after, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(conv, cast(nn.BatchNorm2d, norm)))
                setattr(parent, after, nn.Identity())
    return folded


def copy_into(target: Tensor, values: Tensor) -> None:
    """Overwrite a parameter or buffer; raises CompileError where the shapes differ."""
    if target.shape != values.shape:
        raise CompileError(f"pretrained weights of shape {tuple(values.shape)}; the tower has {tuple(target.shape)}")
    with torch.no_grad():
        target.copy_(values)
