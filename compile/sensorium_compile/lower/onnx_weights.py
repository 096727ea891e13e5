"""Weights stored in int8 and multiplied out again where they are used: smaller, not faster."""

from collections.abc import Collection

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

LEAST_SIZE = 256  # elements: of less, scales and nodes cost what is saved
_AXIS = {"Conv": 0, "MatMul": 1, "Gather": 0}  # of the channels in the weight; Gemm's depends on transB


def quantize_weights(model: onnx.ModelProto, chosen: Collection[str]) -> onnx.ModelProto:
    """The model with the weights of the nodes that ``chosen`` names in symmetric int8, one scale a channel.

    A linear layer's weight goes through DequantizeLinear, which ONNX Runtime fuses with the product. A convolution's
    goes through Cast and Mul, which it works out once, when it opens the graph: DequantizeLinear it would repeat at
    every run.
    Of a table of embeddings only the rows that were gathered are multiplied.
    """
    made = onnx.ModelProto.FromString(model.SerializeToString())
    graph = made.graph
    weights = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    stored: set[str] = set()
    for node in graph.node:
        index = 0 if node.op_type == "Gather" else 1
        axis = _channel_axis(node) if node.name in chosen else None
        if axis is None or weights[node.input[index]].size < LEAST_SIZE:
            nodes.append(node)
            continue
        if (name := f"{node.input[index]}.{node.op_type}.{axis}") not in stored:
            stored.add(name)
            _store(graph, name, weights[node.input[index]], axis, spread=node.op_type in ("Gather", "Conv"))
            nodes.extend(_restored(node, name, axis))
        nodes.extend(_gather(node, name) if node.op_type == "Gather" else [_reading(node, name)])
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [c for c in graph.initializer if c.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(made)
    return made


def _channel_axis(node: onnx.NodeProto) -> int | None:
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type == "Gemm":
        return 0 if given.get("transB", 0) else 1
    if node.op_type == "Gather" and given.get("axis", 0) != 0:
        return None
    return _AXIS[node.op_type]


def _store(graph: onnx.GraphProto, name: str, weight: NDArray[np.float32], axis: int, *, spread: bool) -> None:
    """Add the int8 weight and its scales, with all axes of the weight where they are ``spread``."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    scale = np.maximum(np.abs(weight).max(axis=others, keepdims=True), np.float32(1e-12)) / np.float32(127)
    quantized = np.rint(weight / scale).astype(np.int8)
    scale = scale.astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(quantized, f"{name}.int8"))
    graph.initializer.append(numpy_helper.from_array(scale if spread else scale.reshape(-1), f"{name}.scale"))


def _restored(node: onnx.NodeProto, name: str, axis: int) -> list[onnx.NodeProto]:
    """What makes the whole weight float again."""
    stored, scale, made = f"{name}.int8", f"{name}.scale", f"{name}.float"
    if node.op_type == "Gather":
        return []
    if node.op_type == "Conv":
        cast = helper.make_node("Cast", [stored], [f"{name}.cast"], f"{name}.cast", to=onnx.TensorProto.FLOAT)
        return [cast, helper.make_node("Mul", [f"{name}.cast", scale], [made], made)]
    return [helper.make_node("DequantizeLinear", [stored, scale], [made], made, axis=axis)]


def _reading(node: onnx.NodeProto, name: str) -> onnx.NodeProto:
    node.input[1] = f"{name}.float"
    return node


def _gather(node: onnx.NodeProto, name: str) -> list[onnx.NodeProto]:
    """Rows of int8 and their scales, multiplied after the gathering."""
    rows, scales, float_rows = (f"{node.name}.{what}" for what in ("rows", "scales", "float"))
    return [
        helper.make_node("Gather", [f"{name}.int8", node.input[1]], [rows], rows, axis=0),
        helper.make_node("Cast", [rows], [float_rows], float_rows, to=onnx.TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}.scale", node.input[1]], [scales], scales, axis=0),
        helper.make_node("Mul", [float_rows, scales], [node.output[0]], node.name),
    ]
