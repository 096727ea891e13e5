"""EfficientNet-Lite as a tower: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.

Starts from the weights of https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch. It can be cut after a
stage and its inner channels can be narrowed; what remains keeps its pretrained values.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.convert.efficientnet import EPSILON, MEAN, SCALE, STAGES, VARIANTS
from sensorium_compile.convert.state_dict import read_state_dict
from sensorium_compile.errors import CompileError
from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import ConvNorm, GridPool, copy_into
from sensorium_compile.towers.narrow import narrowed_block, narrowed_width
from sensorium_compile.towers.registry import image_side
from sensorium_compile.zoo import Weights

NAME = "efficientnet_lite"

# efficientnet_lite_builder.py, _DEFAULT_BLOCKS_ARGS and efficientnet_lite_params: out of each stage, its kernel.
_OUT, _KERNELS = (16, 24, 40, 80, 112, 192, 320), (3, 3, 5, 3, 5, 5, 3)
_WIDTHS = {"lite0": 1.0, "lite1": 1.0, "lite2": 1.1}  # multiplies _OUT; the stem and the head keep theirs
_STEM, _HEAD, _EXPAND = 32, 1280, 6


class EfficientNetOptions(TowerOptions):
    """Which of the family, and how much of it."""

    variant: Literal["lite0", "lite1", "lite2"] = "lite0"
    stages: Annotated[int, Field(ge=1, le=7)] = 7  # kept; all 7 have the head of 1280 channels as well
    grid: Annotated[int, Field(ge=1)] = 1  # 1: one token of the whole image; 2: 2 x 2 tokens
    narrow: Annotated[float, Field(gt=0, le=1)] = 1.0  # part of the inner channels that is kept


class MBConv(nn.Module):
    """Inverted residual without squeeze and excitation: expand, depthwise, project, skip where shapes allow it."""

    def __init__(
        self, channels: tuple[int, int, int], kernel: int, stride: int, side: tuple[int, int], *, expands: bool
    ) -> None:
        super().__init__()
        into, inner, out = channels
        if expands:
            self.expand: nn.Module = ConvNorm((into, inner), 1, side, active=nn.ReLU6(), epsilon=EPSILON)
        else:
            self.expand = nn.Identity()
        self.depthwise = ConvNorm(
            (inner, inner), kernel, side, stride=stride, groups=inner, active=nn.ReLU6(), epsilon=EPSILON
        )
        self.project = ConvNorm((inner, out), 1, self.depthwise.side, epsilon=EPSILON)
        self.skips = stride == 1 and into == out
        self.side = self.depthwise.side

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) -> (batch, out, height, width), smaller by the stride."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return y + x if self.skips else y


class EfficientNetTower(Tower):
    """Image float32 (batch, 3, height, width) RGB of 0..255 -> tokens (batch, grid * grid, width)."""

    PRETRAINED = ("stem", "blocks", "head")  # parts that start from published weights

    def __init__(self, side: tuple[int, int], options: EfficientNetOptions) -> None:
        plan = _plan(options)
        head = options.stages == len(STAGES)
        features = narrowed_width(_HEAD, options.narrow) if head else plan[-1][0][2]
        super().__init__(options.grid**2, options.width or features)
        self.options = options
        self.stem = ConvNorm((3, plan[0][0][0]), 3, side, stride=2, active=nn.ReLU6(), epsilon=EPSILON)
        self.blocks = nn.ModuleList()
        side = self.stem.side
        for index, (channels, kernel, stride) in enumerate(plan):
            block = MBConv(channels, kernel, stride, side, expands=index > 0)
            self.blocks.append(block)
            side = block.side
        last = plan[-1][0][2]
        self.head = ConvNorm((last, features), 1, side, active=nn.ReLU6(), epsilon=EPSILON) if head else nn.Identity()
        self.pool = GridPool(side, options.grid)
        self.project = projection(features, options.width)

    def features(self, images: Tensor) -> Tensor:
        """Images -> the feature map (batch, channels, height, width) before it is pooled."""
        x = self.stem((images - MEAN) * (1 / SCALE))
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(x)
        return out

    def forward(self, sample: Tensor) -> Tensor:
        """Images to tokens."""
        out: Tensor = self.project(self.pool(self.features(sample)))
        return out


def build(spec: object, options: EfficientNetOptions, weights: Weights | None) -> EfficientNetTower:
    """The tower for images of ``spec.height`` x ``spec.width``."""
    tower = EfficientNetTower(image_side(spec, NAME), options)
    if weights is not None:
        arrays = read_state_dict(weights.path(f"efficientnet-{options.variant}"))
        load_pretrained(tower, {name: torch.from_numpy(values) for name, values in arrays.items()})
    return tower


def load_pretrained(tower: EfficientNetTower, state: Mapping[str, Tensor]) -> None:
    """Copy what the tower keeps of a PyTorch EfficientNet-Lite's state dict into it."""
    try:
        for name, values in _kept(state, tower).items():
            copy_into(tower.get_parameter(name) if _is_parameter(name) else tower.get_buffer(name), values)
    except KeyError as err:
        raise CompileError(f"no tensor {err} in these weights: are they EfficientNet-Lite's?") from err


def _is_parameter(name: str) -> bool:
    return name.endswith(("weight", "bias"))


def _kept(state: Mapping[str, Tensor], tower: EfficientNetTower) -> dict[str, Tensor]:
    """The tower's own names -> pretrained values, narrowed to its inner channels."""
    kept = _layer(state, "_conv_stem", "_bn0", "stem")
    for index, _ in enumerate(tower.blocks):
        source, target = f"_blocks.{index}", f"blocks.{index}"
        if index:
            kept |= _layer(state, f"{source}._expand_conv", f"{source}._bn0", f"{target}.expand")
        kept |= _layer(state, f"{source}._depthwise_conv", f"{source}._bn1", f"{target}.depthwise")
        kept |= _layer(state, f"{source}._project_conv", f"{source}._bn2", f"{target}.project")
    if not isinstance(tower.head, nn.Identity):
        kept |= _layer(state, "_conv_head", "_bn1", "head")
    if tower.options.narrow < 1:
        for index, _ in enumerate(tower.blocks):
            before = f"blocks.{index}.expand" if index else "stem"
            kept |= narrowed_block(kept, before, f"blocks.{index}.depthwise", f"blocks.{index}.project", tower)
        if not isinstance(tower.head, nn.Identity):
            kept |= narrowed_block(kept, "head", None, None, tower)
    return kept


def _layer(state: Mapping[str, Tensor], conv: str, norm: str, target: str) -> dict[str, Tensor]:
    names = {f"{target}.conv.weight": f"{conv}.weight"}
    names |= {f"{target}.norm.{p}": f"{norm}.{p}" for p in ("weight", "bias", "running_mean", "running_var")}
    return {ours: state[theirs] for ours, theirs in names.items()}


def _plan(options: EfficientNetOptions) -> list[tuple[tuple[int, int, int], int, int]]:
    """Every block that is kept: channels in, inner and out; kernel; stride."""
    plan: list[tuple[tuple[int, int, int], int, int]] = []
    into = narrowed_width(_STEM, options.narrow)  # the stem's output is the first block's inner width
    depth = VARIANTS[options.variant].depth
    for index in range(options.stages):
        (repeats, stride), kernel = STAGES[index], _KERNELS[index]
        out = _rounded(_OUT[index] * _WIDTHS[options.variant])
        for repeat in range(repeats if index in (0, len(STAGES) - 1) else math.ceil(depth * repeats)):
            inner = into if not plan else narrowed_width(into * _EXPAND, options.narrow)
            plan.append(((into, inner, out), kernel, stride if repeat == 0 else 1))
            into = out
    return plan


def _rounded(width: float) -> int:
    """efficientnet_model.py, round_filters: to the next multiple of 8, never less than 90%."""
    near = max(8, int(width + 4) // 8 * 8)
    return near + 8 if near < 0.9 * width else near
