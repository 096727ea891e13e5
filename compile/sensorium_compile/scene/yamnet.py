"""YAMNet, the sound teacher: its network in PyTorch, with the weights of the published TFLite file.

https://github.com/tensorflow/models/tree/master/research/audioset/yamnet (Apache-2.0): MobileNet v1 (arXiv 1704.04861)
on 0.96 s of log-mel spectrum, 521 classes of AudioSet. Batch normalisation is folded into the file's biases.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.components.sound import FRAMES, HOP
from sensorium_compile.errors import CompileError
from sensorium_compile.scene.space import low_rank
from sensorium_compile.scene.spectrum import LogMel

SAMPLES = 15_600  # that hold a patch of 0.96 s
CLASSES = 521
SILENCE = 494  # the class that says nothing of what is there (yamnet_class_map.csv)
# yamnet.py, _YAMNET_LAYER_DEFS: stride and width of each layer; the first is a full convolution.
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
WHOLE = (None,) * len(WIDTHS)


class Convolution(nn.Module):
    """A convolution padded as TensorFlow's SAME does on even sizes (one more behind than before), then ReLU."""

    def __init__(self, given: int, width: int, size: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.pads = (0, 1, 0, 1) if stride == 2 else (0, 0, 0, 0)
        self.conv: nn.Module = nn.Conv2d(given, width, size, stride, 0 if stride == 2 else size // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, given, time, bands) -> (batch, width, ...)."""
        padded = nn.functional.pad(x, self.pads) if any(self.pads) else x
        return cast(Tensor, self.conv(padded)).relu()


class Separable(nn.Module):
    """A depthwise convolution, then one over channels, or two with ``rank`` channels between them."""

    def __init__(self, given: int, width: int, stride: int, rank: int | None = None) -> None:
        super().__init__()
        self.depthwise = Convolution(given, given, 3, stride, groups=given)
        self.pointwise = Convolution(given, width, 1, 1)
        if rank is not None:
            self.pointwise.conv = nn.Sequential(nn.Conv2d(given, rank, 1, bias=False), nn.Conv2d(rank, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, given, time, bands) -> (batch, width, ...)."""
        return cast(Tensor, self.pointwise(self.depthwise(x)))


class YamNet(nn.Module):
    """Log-mel patches (batch, 96, 64) -> logits (batch, 521); ``features`` gives the pooled embedding."""

    def __init__(self, ranks: Sequence[int | None] = WHOLE, rank: int | None = None) -> None:
        """``ranks`` of the layers (the first has none), ``rank`` of the classifier; None is full."""
        super().__init__()
        self.ranks, self.rank = tuple(ranks), rank
        shapes = zip(WIDTHS[:-1], WIDTHS[1:], STRIDES[1:], self.ranks[1:], strict=True)
        first = Convolution(1, WIDTHS[0], 3, STRIDES[0])
        self.layers = nn.Sequential(first, *(Separable(*shape) for shape in shapes))
        self.classes = low_rank(WIDTHS[-1], CLASSES, rank)

    def features(self, patches: Tensor) -> Tensor:
        """The embedding, (batch, 1024)."""
        return cast(Tensor, self.layers(patches[:, None])).mean((2, 3))

    def forward(self, patches: Tensor) -> Tensor:
        """See the class."""
        return cast(Tensor, self.classes(self.features(patches)))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How a sound is cut: ``count`` patches of 0.96 s, each beginning ``step`` frames of 10 ms after the last."""

    count: int
    step: int

    @property
    def samples(self) -> int:
        """Samples at 16 kHz that all patches together need."""
        return SAMPLES + (self.count - 1) * self.step * HOP


class Patches(nn.Module):
    """Sound (batch, samples) -> log-mel patches (batch * count, 96, 64)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout, self.spectrum = layout, LogMel()

    def forward(self, sound: Tensor) -> Tensor:
        """See the class."""
        mel = self.spectrum(sound[:, : self.layout.samples])  # (batch, frames, 64)
        starts = range(0, self.layout.count * self.layout.step, self.layout.step)
        return torch.stack([mel[:, at : at + FRAMES] for at in starts], 1).flatten(0, 1)


def load_yamnet(path: Path) -> YamNet:
    """The network of a ``yamnet.tflite``; raises CompileError where the file is another model."""
    tensors = _constants(path)
    model = YamNet()
    pointwise = [t for name, t in tensors if "pointwise_conv/Conv2D" in name and t.shape[1:3] == (1, 1)]
    depthwise = [t for name, t in tensors if t.ndim == 4 and t.shape[0] == 1 and t.shape[1:3] == (3, 3)]
    biases = {name.removeprefix("yamnet_frames/"): t for name, t in tensors if t.ndim == 1}
    try:
        first = next(t for name, t in tensors if name.endswith("layer1/conv/Conv2D"))
        dense = next(t for name, t in tensors if name.endswith("dense/MatMul"))
        _fill(model.layers[0].conv, first.transpose(0, 3, 1, 2), biases["layer1/conv/bn/FusedBatchNormV3"])
        for i, layer in enumerate(list(model.layers)[1:]):
            block, name = cast(Any, layer), f"layer{i + 2}"
            bias = biases[f"{name}/depthwise_conv/bn/FusedBatchNormV3"]
            _fill(block.depthwise.conv, depthwise[i].transpose(3, 0, 1, 2), bias)
            bias = biases[f"{name}/pointwise_conv/bn/FusedBatchNormV3"]
            _fill(block.pointwise.conv, pointwise[i].transpose(0, 3, 1, 2), bias)
        _fill(model.classes, dense, biases["dense/BiasAdd/ReadVariableOp/resource"])
    except (StopIteration, KeyError, IndexError, RuntimeError) as err:
        raise CompileError(f"{path.name} is not the published yamnet.tflite: {err!r}") from err
    return model.eval()


def class_names(path: Path) -> tuple[str, ...]:
    """AudioSet's 521 names in order, of ``yamnet_class_map.csv``."""
    with path.open(encoding="utf-8", newline="") as stream:
        names = tuple(row["display_name"] for row in csv.DictReader(stream))
    if len(names) != CLASSES:
        raise CompileError(f"{path.name} has {len(names)} names; YAMNet has {CLASSES} classes")
    return names


def _fill(layer: Any, weight: Any, bias: Any) -> None:
    with torch.no_grad():
        if tuple(layer.weight.shape) != weight.shape:
            raise RuntimeError(f"a weight of {weight.shape} where {tuple(layer.weight.shape)} belongs")
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))


def _constants(path: Path) -> Sequence[tuple[str, Any]]:
    """The file's constants in float32, by name, in their order."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as err:
        raise CompileError("reading a TFLite file needs: pip install 'sensorium[litert]'") from err
    reader = Interpreter(str(path), num_threads=1)
    reader.allocate_tensors()
    return [(d["name"], value) for d in reader.get_tensor_details() if (value := _value(reader, d)) is not None]


def _value(reader: Any, details: dict[str, Any]) -> Any:
    try:
        raw = reader.get_tensor(details["index"])
    except ValueError:  # an activation: it holds nothing before the first run
        return None
    if raw.dtype == np.int32:
        return None
    scales = details["quantization_parameters"]["scales"]
    if raw.dtype != np.int8:
        return raw.astype(np.float32)
    shape = [1] * raw.ndim
    shape[details["quantization_parameters"]["quantized_dimension"]] = len(scales)
    return raw.astype(np.float32) * scales.reshape(shape)
