"""Writes an ONNX graph node by node, the same bytes each time."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from sensorium.samples import Array
from sensorium_compile.errors import CompileError

OPSET = 20  # 23 writes Attention with a mask that ONNX Runtime rejects; 20 is read by every runtime we target
IR_VERSION = 10  # the newest that ONNX Runtime 1.18, TensorRT 10 and OpenVINO 2024 read

Attribute = int | float | str | Sequence[int]


class GraphWriter:
    """Collects nodes and constants; ``finish`` gives the checked model."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dtype: int, shape: Sequence[int]) -> str:
        """Declare an input; ``dtype`` is one of onnx.TensorProto's."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def const(self, value: Array | np.generic, name: str = "") -> str:
        """Store a constant; gives its name."""
        name = name or f"const_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: Sequence[str], name: str = "", **attributes: Attribute) -> str:
        """Append a node with one output; gives the output's name."""
        return self.nodes(op, inputs, 1, name, **attributes)[0]

    def nodes(
        self, op: str, inputs: Sequence[str], outputs: int, name: str = "", **attributes: Attribute
    ) -> tuple[str, ...]:
        """Append a node with several outputs; gives their names."""
        name = name or f"{op}_{len(self._nodes)}"
        made = tuple(name if i == 0 else f"{name}:{i}" for i in range(outputs))
        self._nodes.append(helper.make_node(op, inputs, made, name=name, **attributes))
        return made

    def finish(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """The model whose outputs are renamed as given (new name -> name of a node's output)."""
        for new, old in outputs.items():
            self.node("Identity", [old], new)
        declared = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, declared, self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        try:
            model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        except Exception as err:  # onnx raises several kinds without a base class of their own
            raise CompileError(f"graph {self._name}: {str(err).splitlines()[0]}") from err
        _pad_explicitly(model.graph)
        _resize_explicitly(model.graph)
        onnx.checker.check_model(model)
        return model


def shape_of(graph: onnx.GraphProto) -> dict[str, tuple[int, ...]]:
    """The static shape of every value that shape inference knew."""
    values = [*graph.input, *graph.value_info, *graph.output]
    known = {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
    return known | {c.name: tuple(c.dims) for c in graph.initializer}


def _pad_explicitly(graph: onnx.GraphProto) -> None:
    """Replace ``auto_pad`` (deprecated, unknown to some runtimes) by the pads it stands for."""
    shapes = shape_of(graph)
    for node in graph.node:
        auto = [a for a in node.attribute if a.name == "auto_pad"]
        if not auto:
            continue
        node.attribute.remove(auto[0])
        known = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        kernel = known.get("kernel_shape") or shapes[node.input[1]][2:]
        pads = [
            _same_pad(size, k, stride, dilation)
            for size, k, stride, dilation in zip(
                shapes[node.input[0]][2:],
                kernel,
                known["strides"],
                known.get("dilations", [1, 1]),
                strict=True,
            )
        ]
        begin, end = zip(*pads, strict=True)
        node.attribute.append(helper.make_attribute("pads", [*begin, *end]))


def _resize_explicitly(graph: onnx.GraphProto) -> None:
    """Give ``Resize`` the size of every axis: ONNX Runtime 1.32 loses the sizes of chosen axes when it moves
    transposes (its transpose optimiser expects one for each axis).
    """
    shapes = shape_of(graph)
    for node in graph.node:
        axes = [a for a in node.attribute if a.name == "axes"]
        if node.op_type == "Resize" and axes:
            node.attribute.remove(axes[0])
            sizes = next(c for c in graph.initializer if c.name == node.input[3])
            sizes.CopyFrom(numpy_helper.from_array(np.array(shapes[node.output[0]], np.int64), sizes.name))


def _same_pad(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's SAME padding: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2."""
    extent = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2
