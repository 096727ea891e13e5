"""What each TensorFlow op becomes in ONNX.

TensorFlow keeps images as NHWC, ONNX as NCHW. What came out of a convolution stays NCHW for as long as what
follows allows it (``Value.nchw``), so that transposes stand only where the image enters and where it is
flattened.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from sensorium.errors import unknown
from sensorium.samples import Array
from sensorium_compile.convert.graph import GraphWriter
from sensorium_compile.errors import CompileError

NCHW_AXIS = (0, 2, 3, 1)  # NHWC axis -> NCHW axis
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
PIXELS = "pixels"  # the name of the graph's input
TYPES = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT32, "DT_BOOL": TensorProto.BOOL}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the ONNX graph; ``nchw`` where its axes are moved against TensorFlow's."""

    name: str
    nchw: bool = False


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's attributes in TensorFlow's JSON form: integers as strings, strings as base64."""

    node: str
    raw: Mapping[str, Any]

    def type(self, key: str) -> str:
        """A data type, e.g. ``DT_INT32``."""
        return str(self.raw[key]["type"])

    def flag(self, key: str) -> bool:
        """A boolean, false where it is not given."""
        return bool(self.raw.get(key, {}).get("b", False))

    def number(self, key: str) -> int:
        """An integer, 0 where it is not given."""
        return int(self.raw.get(key, {}).get("i", 0))

    def text(self, key: str) -> str:
        """A string, empty where it is not given."""
        return base64.b64decode(self.raw.get(key, {}).get("s", "")).decode()

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        return [base64.b64decode(s).decode() for s in self.raw[key]["list"]["s"]]

    def height_width(self, key: str) -> tuple[int, int]:
        """The middle two of four integers: a stride or kernel of NHWC; 1, 1 where not given."""
        four = self.raw.get(key, {}).get("list", {}).get("i", (1, 1, 1, 1))
        return int(four[1]), int(four[2])

    def shape(self, key: str) -> list[int]:
        """A tensor's shape."""
        return [int(d["size"]) for d in self.raw[key]["shape"]["dim"]]


class Emitter:
    """Writes the ONNX graph, and knows under which name and in which layout each TensorFlow output lives."""

    def __init__(self, name: str, weights: Mapping[str, Array]) -> None:
        self.graph = GraphWriter(name)
        self._weights = weights
        self._arrays: dict[str, Array] = {}  # "name:0" -> constant
        self._values: dict[str, Value] = {}  # "name:index" -> value

    def constant(self, node: str) -> None:
        """A weight; it is written to the graph in the layout in which it is used."""
        if node not in self._weights:
            raise CompileError(f"no weight for constant {node!r}; pull the weights again")
        self._arrays[f"{node}:0"] = self._weights[node]

    def pixels(self, node: str, shape: Sequence[int]) -> None:
        """An image as uint8 input, used as float."""
        name = self.graph.input(PIXELS, TensorProto.UINT8, shape)
        self._values[f"{node}:0"] = Value(self.graph.node("Cast", [name], to=TensorProto.FLOAT))

    def emit(self, op: "Op", node: str, inputs: Sequence[str], attributes: Attributes) -> None:
        """Write what ``op`` makes of a node."""
        made = op(self, inputs, attributes)
        for index, value in enumerate(made if isinstance(made, tuple) else (made,)):
            self._values[f"{node}:{index}"] = value

    def finish(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """The model, its outputs in TensorFlow's layout."""
        return self.graph.finish({new: self.plain(f"{node}:0") for new, node in outputs.items()})

    def value(self, reference: str) -> Value:
        """An input as it is."""
        return self._values[reference] if reference in self._values else Value(self.plain(reference))

    def array(self, reference: str, attributes: Attributes) -> Array:
        """An input that must be a constant."""
        if reference not in self._arrays:
            raise CompileError(f"node {attributes.node!r}: input {reference} must be a constant")
        return self._arrays[reference]

    def numbers(self, reference: str, attributes: Attributes) -> list[int]:
        """A constant as a list of integers."""
        return [int(n) for n in self.array(reference, attributes).reshape(-1)]

    def plain(self, reference: str) -> str:
        """The name of an input in TensorFlow's layout."""
        if reference in self._arrays:
            return self.graph.const(self._arrays[reference])
        value = self._values[reference]
        return self.graph.node("Transpose", [value.name], perm=TO_NHWC) if value.nchw else value.name

    def nchw(self, reference: str) -> str:
        """The name of an input in ONNX's layout; constants broadcast as they did in NHWC."""
        if reference in self._arrays:
            array = self._arrays[reference]
            four = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_NCHW)
            return self.graph.const(four if array.ndim else array)
        value = self._values[reference]
        return value.name if value.nchw else self.graph.node("Transpose", [value.name], perm=TO_NCHW)

    def alike(self, references: Sequence[str]) -> tuple[list[str], bool]:
        """Several inputs in one layout, NCHW if any of them is."""
        nchw = any(r in self._values and self._values[r].nchw for r in references)
        return [self.nchw(r) if nchw else self.plain(r) for r in references], nchw

    def const(self, values: object, dtype: type[np.generic] = np.int64) -> str:
        """A constant of ours."""
        return self.graph.const(np.array(values, dtype))


Op = Callable[[Emitter, Sequence[str], Attributes], Value | tuple[Value, ...]]


def _elementwise(name: str) -> Op:
    def op(e: Emitter, inputs: Sequence[str], _: Attributes) -> Value:
        names, nchw = e.alike(inputs)
        return Value(e.graph.node(name, names), nchw)

    return op


def _activate(e: Emitter, value: Value, name: str, node: str) -> Value:
    if name == "Relu6":
        limits = [e.const(0, np.float32), e.const(6, np.float32)]
        return Value(e.graph.node("Clip", [value.name, *limits]), value.nchw)
    if name == "Relu":
        return Value(e.graph.node("Relu", [value.name]), value.nchw)
    raise CompileError(f"node {node!r}: {unknown('fused op', name, ('BiasAdd', 'Relu', 'Relu6'))}")


def _activation(name: str) -> Op:
    def op(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
        return _activate(e, e.value(inputs[0]), name, a.node)

    return op


def _convolution(kernel: Callable[[Array], tuple[Array, int]]) -> Op:
    def op(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
        weights, group = kernel(e.array(inputs[1], a))
        fused = a.texts("fused_ops") if "fused_ops" in a.raw else []
        operands = [e.nchw(inputs[0]), e.graph.const(weights)]
        if "BiasAdd" in fused:
            operands.append(e.graph.const(e.array(inputs[2], a).reshape(-1)))
        made = e.graph.node(
            "Conv",
            operands,
            a.node,
            auto_pad=_padding(a),
            strides=a.height_width("strides"),
            dilations=a.height_width("dilations"),
            group=group,
        )
        value = Value(made, nchw=True)
        for name in fused:
            value = value if name == "BiasAdd" else _activate(e, value, name, a.node)
        return value

    return op


def _dense_kernel(weights: Array) -> tuple[Array, int]:
    """(height, width, in, out) -> (out, in, height, width), one group."""
    return weights.transpose(3, 2, 0, 1), 1


def _depthwise_kernel(weights: Array) -> tuple[Array, int]:
    """(height, width, channels, multiplier) -> (channels * multiplier, 1, height, width), grouped."""
    height, width, channels, multiplier = weights.shape
    return weights.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width), channels


def _padding(a: Attributes) -> str:
    known = {"SAME": "SAME_UPPER", "VALID": "VALID"}
    if a.text("padding") not in known:
        raise CompileError(f"node {a.node!r}: {unknown('padding', a.text('padding'), known)}")
    return known[a.text("padding")]


def _max_pool(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    made = e.graph.node(
        "MaxPool",
        [e.nchw(inputs[0])],
        auto_pad=_padding(a),
        kernel_shape=a.height_width("ksize"),
        strides=a.height_width("strides"),
    )
    return Value(made, nchw=True)


def _mean(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    axes = e.numbers(inputs[1], a)
    if sorted(axes) != [1, 2] or not a.flag("keep_dims"):
        raise CompileError(
            f"node {a.node!r}: a mean over axes {axes}; known: over height and width, kept as axes"
        )
    return Value(e.graph.node("GlobalAveragePool", [e.nchw(inputs[0])]), nchw=True)


def _resize_bilinear(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    mode = "half_pixel" if a.flag("half_pixel_centers") else "asymmetric"
    made = e.graph.node(
        "Resize",
        [e.nchw(inputs[0]), "", "", e.const(e.numbers(inputs[1], a))],
        mode="linear",
        axes=(2, 3),
        coordinate_transformation_mode="align_corners" if a.flag("align_corners") else mode,
    )
    return Value(made, nchw=True)


def _concat(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    names, nchw = e.alike(inputs[:-1])
    (axis,) = e.numbers(inputs[-1], a)
    return Value(e.graph.node("Concat", names, axis=NCHW_AXIS[axis] if nchw else axis), nchw)


def _cast(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    value = e.value(inputs[0])
    if a.type("DstT") not in TYPES:
        raise CompileError(f"node {a.node!r}: {unknown('type', a.type('DstT'), TYPES)}")
    return Value(e.graph.node("Cast", [value.name], to=TYPES[a.type("DstT")]), value.nchw)


def _identity(e: Emitter, inputs: Sequence[str], _: Attributes) -> Value:
    return e.value(inputs[0])


def _reshape(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    return Value(e.graph.node("Reshape", [e.plain(inputs[0]), e.const(e.numbers(inputs[1], a))]))


def _expand_dims(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    return Value(e.graph.node("Unsqueeze", [e.plain(inputs[0]), e.const(e.numbers(inputs[1], a))]))


def _gather(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    (axis,) = e.numbers(inputs[2], a)
    return Value(e.graph.node("Gather", [e.plain(inputs[0]), e.plain(inputs[1])], axis=axis))


def _strided_slice(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    odd = [m for m in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask") if a.number(m)]
    if odd:
        raise CompileError(f"node {a.node!r}: a slice with {odd[0]}; known: begin_mask, end_mask")
    begin, end, step = (e.numbers(i, a) for i in inputs[1:4])
    begin = [0 if a.number("begin_mask") >> i & 1 else b for i, b in enumerate(begin)]
    end = [np.iinfo(np.int64).max if a.number("end_mask") >> i & 1 else v for i, v in enumerate(end)]
    bounds = [e.const(v) for v in (begin, end, range(len(begin)), step)]
    return Value(e.graph.node("Slice", [e.plain(inputs[0]), *bounds]))


def _top_k(e: Emitter, inputs: Sequence[str], a: Attributes) -> tuple[Value, ...]:
    count = e.const(e.numbers(inputs[1], a))
    values, places = e.graph.nodes("TopK", [e.plain(inputs[0]), count], 2, sorted=int(a.flag("sorted")))
    return Value(values), Value(e.graph.node("Cast", [places], to=TensorProto.INT32))


def _floor_div(e: Emitter, inputs: Sequence[str], a: Attributes) -> Value:
    if a.type("T") != "DT_INT32":
        raise CompileError(f"node {a.node!r}: FloorDiv of {a.type('T')}; known: DT_INT32")
    x, y = (e.plain(i) for i in inputs)
    # ONNX divides towards zero; without its remainder (which has y's sign) the division is exact.
    exact = e.graph.node("Sub", [x, e.graph.node("Mod", [x, y])])
    return Value(e.graph.node("Div", [exact, y]))


OPS: dict[str, Op] = {
    "Add": _elementwise("Add"),
    "AddV2": _elementwise("Add"),
    "Cast": _cast,
    "ConcatV2": _concat,
    "Conv2D": _convolution(_dense_kernel),
    "DepthwiseConv2dNative": _convolution(_depthwise_kernel),
    "Equal": _elementwise("Equal"),
    "ExpandDims": _expand_dims,
    "FloorDiv": _floor_div,
    "FloorMod": _elementwise("Mod"),
    "FusedDepthwiseConv2dNative": _convolution(_depthwise_kernel),
    "GatherV2": _gather,
    "Identity": _identity,
    "MaxPool": _max_pool,
    "Mean": _mean,
    "Mul": _elementwise("Mul"),
    "Relu": _activation("Relu"),
    "Relu6": _activation("Relu6"),
    "Reshape": _reshape,
    "ResizeBilinear": _resize_bilinear,
    "Sigmoid": _elementwise("Sigmoid"),
    "StridedSlice": _strided_slice,
    "Sub": _elementwise("Sub"),
    "TopKV2": _top_k,
    "_FusedConv2D": _convolution(_dense_kernel),
}
