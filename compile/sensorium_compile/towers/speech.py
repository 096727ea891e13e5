"""Google's speech embedding as a tower (Lin et al., https://arxiv.org/abs/2002.01322), from sound to tokens.

Starts from openWakeWord's ``embedding_model.onnx`` (zoo: ``speech-embedding``), whose batch normalisation is
folded into its 20 convolutions. That file sees 76 frames at a time; here the same convolutions run over all
frames at once and give the same vectors, one every 80 ms.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import onnx
import torch
from onnx import numpy_helper
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sensorium_compile.errors import CompileError
from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import StepPool, copy_into
from sensorium_compile.towers.logmel import BANDS, RATE_HZ, Levelled, LogMel
from sensorium_compile.towers.narrow import narrowed_width, strongest
from sensorium_compile.towers.registry import dimension
from sensorium_compile.zoo import Weights

NAME, ENTRY = "speech_embedding", "speech-embedding"

# embedding_model.onnx: channels, kernels (time, frequency) and the pooling after each of its blocks.
_ACROSS, _ALONG = (1, 3), (3, 1)
_BLOCKS = (
    (24, ((3, 3), _ACROSS, _ALONG), (2, 2)),
    (48, (_ACROSS, _ALONG) * 2, (1, 2)),
    (72, (_ACROSS, _ALONG) * 2, (2, 2)),
    (96, (_ACROSS, _ALONG) * 2, (1, 2)),
    (96, (_ACROSS, _ALONG) * 2, (2, 2)),
)
_FEATURES, _HEAD_KERNEL = 96, (3, 1)
_SLOPE, _LOWEST = 0.2, -0.4  # its LeakyRelu, and the Max after it


class SpeechOptions(TowerOptions):
    """How much of the network is kept, and what it gives."""

    blocks: Annotated[int, Field(ge=1, le=5)] = 5  # kept; all 5 have the last convolution as well
    tokens: Annotated[int, Field(ge=1)] | None = None  # none: one every 80 ms (every 20 or 40 ms of fewer blocks)
    narrow: Annotated[float, Field(gt=0, le=1)] = 1.0  # part of the inner channels that is kept
    level: Literal["given", "loudest"] = "given"  # loudest: the loudest 100 ms are brought to -20 dBFS first


class SpeechConv(nn.Module):
    """Convolution over (time, frequency): as it is along time, padded with zeros along frequency; activation."""

    def __init__(self, channels: tuple[int, int], kernel: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(*channels, kernel, padding=(0, kernel[1] // 2))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, time, frequency) -> (batch, out, time, frequency), shorter by the kernel less 1."""
        return torch.clamp(functional.leaky_relu(self.conv(x), _SLOPE), min=_LOWEST)


class SpeechNetwork(nn.Module):
    """Log-mel (batch, 32, frames) -> features (batch, features, steps)."""

    def __init__(self, frames: int, blocks: int, narrow: float) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        into, steps, bands = 1, frames, BANDS
        for channels, kernels, pool in _BLOCKS[:blocks]:
            block = nn.Sequential()
            for index, kernel in enumerate(kernels):
                out = narrowed_width(channels, narrow)
                block.add_module(f"conv{index}", SpeechConv((into, out), kernel))
                into, steps = out, steps - kernel[0] + 1
            block.add_module("pool", nn.MaxPool2d(pool))
            steps, bands = steps // pool[0], bands // pool[1]
            self.blocks.append(block)
        whole = blocks == len(_BLOCKS)
        self.head = nn.Conv2d(into, _FEATURES, _HEAD_KERNEL, bias=False) if whole else nn.Identity()
        self.steps = steps - _HEAD_KERNEL[0] + 1 if whole else steps
        self.features = _FEATURES if whole else into * bands
        if self.steps < 1:
            raise CompileError(f"sound of {frames} frames of 10 ms is too short for {blocks} blocks of {NAME}")

    def forward(self, mel: Tensor) -> Tensor:
        """The bands that remain of a channel become features of their own."""
        x = self.head(self.blocks(mel.transpose(1, 2).unsqueeze(1)))  # (batch, channels, steps, bands)
        out: Tensor = x.transpose(2, 3).flatten(1, 2)
        return out

    def convolutions(self) -> list[nn.Conv2d]:
        """In the order in which they run."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]


class SpeechTower(Tower):
    """Sound float32 (batch, samples) in [-1, 1] at 16 kHz -> tokens (batch, count, width)."""

    PRETRAINED = ("network",)  # parts that start from published weights

    def __init__(self, samples: int, options: SpeechOptions) -> None:
        mel = LogMel(samples)
        network = SpeechNetwork(mel.frames, options.blocks, options.narrow)
        super().__init__(options.tokens or network.steps, options.width or network.features)
        self.level = Levelled() if options.level == "loudest" else nn.Identity()
        self.logmel = mel
        self.network = network
        self.pool = StepPool(network.steps, self.count)
        self.project = projection(network.features, options.width)

    def forward(self, sample: Tensor) -> Tensor:
        """Sound to tokens."""
        out: Tensor = self.project(self.pool(self.network(self.logmel(self.level(sample)))))
        return out


def build(spec: object, options: SpeechOptions, weights: Weights | None) -> SpeechTower:
    """The tower for sound of ``spec.samples`` at ``spec.rate_hz``, which must be 16 kHz."""
    rate_hz = dimension(spec, "rate_hz", NAME)
    if rate_hz != RATE_HZ:
        raise CompileError(f"tower {NAME!r} takes sound at {RATE_HZ} Hz; given {rate_hz} Hz")
    tower = SpeechTower(dimension(spec, "samples", NAME), options)
    if weights is not None:
        _load(tower.network, _pretrained(weights.path(ENTRY)))
    return tower


def _pretrained(file: Path) -> list[tuple[Tensor, Tensor | None]]:
    """Kernel and offset of each convolution of the ONNX file, in the order in which they run."""
    graph = onnx.load(file).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = [node.input for node in graph.node if node.op_type == "Conv"]
    expected = sum(len(kernels) for _, kernels, _ in _BLOCKS) + 1
    if len(inputs) != expected:
        raise CompileError(f"{file.name} has {len(inputs)} convolutions; expected: {expected}")
    return [_layer([torch.from_numpy(values[name].copy()) for name in names[1:]]) for names in inputs]


def _layer(values: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    return values[0], values[1] if len(values) > 1 else None


def _load(network: SpeechNetwork, layers: Sequence[tuple[Tensor, Tensor | None]]) -> None:
    """Copy the layers that the network keeps, each with its strongest channels."""
    convolutions = network.convolutions()
    read = torch.arange(1)  # channels that the layer before gives
    for index, conv in enumerate(convolutions):
        kernel, offset = layers[index]
        kept = torch.arange(len(kernel))
        if conv.out_channels < len(kernel):
            kept = strongest(_importance(kernel, layers[index + 1][0]), conv.out_channels)
        copy_into(conv.weight, kernel[kept][:, read])
        if conv.bias is not None and offset is not None:
            copy_into(conv.bias, offset[kept])
        read = kept


def _importance(kernel: Tensor, reader: Tensor) -> Tensor:
    """Of each output channel: how large what makes it and what reads it are."""
    return kernel.flatten(1).abs().sum(1) * reader.transpose(0, 1).flatten(1).abs().sum(1)
