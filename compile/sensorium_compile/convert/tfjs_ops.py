"""What each TensorFlow op becomes in ONNX."""

from collections.abc import Callable, Sequence

import numpy as np
from onnx import TensorProto

from sensorium.errors import unknown
from sensorium.samples import Array
from sensorium_compile.convert.tfjs_emitter import Attributes, Emitter, Op, Value
from sensorium_compile.errors import CompileError

NCHW_AXIS = (0, 2, 3, 1)  # NHWC axis -> NCHW axis
TYPES = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT32, "DT_BOOL": TensorProto.BOOL}


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
        raise CompileError(f"node {a.node!r}: a mean over axes {axes}; known: over height and width, kept as axes")
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
