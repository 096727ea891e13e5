"""What TensorRT would refuse, or silently run slower, found before anybody holds the device.

The rules are those of https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html
and of its parser's table of operators; ``onnx.checker`` and shape inference in strict mode come first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

from sensorium.samples import Array
from sensorium_compile.errors import CompileError
from sensorium_compile.targets.placing import Values
from sensorium_compile.targets.trt_graph import LAYERS, skips
from sensorium_devices.targets import Operators, Target

FLOATS = ("float32", "float16", "bfloat16")
MOST_TOLD = 3
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
OTHER_TYPES = ("Cast", "Where", "Gather", "Reshape", "Expand", "Slice", "Shape", "Constant", *QUANTIZERS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that TensorRT does not take as it stands."""

    rule: str  # opset, operator, shape, zero-point, uint8, weight-axis, activation-axis, residual, types, checker
    node: str
    told: str  # what is wrong, and what to do

    def __str__(self) -> str:
        return f"{self.rule}: {self.node}: {self.told}"


def lint(model: onnx.ModelProto, target: Target) -> tuple[Fault, ...]:
    """Every fault of a graph for that target, in order of the rules; none where it is clean."""
    operators = target.operator_set
    assert operators is not None, target.family
    if (wrong := _checked(model)) is not None:
        return (wrong,)
    view = _View(model)
    return (
        *_opset(model, operators),
        *_operators(view, operators),
        *_shapes(view),
        *_zero_points(view),
        *_axes(view),
        *_residuals(view),
        *_types(view),
    )


def check(model: onnx.ModelProto, target: Target) -> None:
    """Raise CompileError with the first faults."""
    if faults := lint(model, target):
        more = f" (and {len(faults) - MOST_TOLD} more)" if len(faults) > MOST_TOLD else ""
        told = "; ".join(map(str, faults[:MOST_TOLD]))
        raise CompileError(f"graph {model.graph.name} is not fit for {target}: {told}{more}")


class _View:
    """A graph with what the rules ask of it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.values = model, Values.of(model)
        self.nodes = list(model.graph.node)
        self.constants: dict[str, Array] = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
        self.made_by = {out: node for node in self.nodes for out in node.output}

    def quantized_from(self, name: str) -> onnx.NodeProto | None:
        """The DequantizeLinear that a tensor comes from, through casts."""
        node = self.made_by.get(name)
        while node is not None and node.op_type == "Cast":
            node = self.made_by.get(node.input[0])
        return node if node is not None and node.op_type == "DequantizeLinear" else None

    @property
    def layers(self) -> Iterator[onnx.NodeProto]:
        """Layers whose weight is a constant, quantized or not."""
        for node in self.nodes:
            if node.op_type in LAYERS and self._weight(node) is not None:
                yield node

    def _weight(self, node: onnx.NodeProto) -> str | None:
        found = self.quantized_from(node.input[1])
        name = found.input[0] if found is not None else node.input[1]
        return name if name in self.constants else None


def _checked(model: onnx.ModelProto) -> Fault | None:
    try:
        onnx.checker.check_model(model, full_check=False)
        shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as err:  # onnx raises several kinds without a base class of their own
        told = next((line.strip() for line in str(err).splitlines() if line.strip()), type(err).__name__)
        return Fault("checker", model.graph.name, told)
    return None


def _opset(model: onnx.ModelProto, operators: Operators) -> Iterator[Fault]:
    least, most = operators.opset or (1, 1 << 30)
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and not least <= entry.version <= most:
            told = f"opset {entry.version}; {operators.tool} {operators.version} takes {least} to {most}"
            yield Fault("opset", model.graph.name, f"{told}: export it again with opset {most}")


def _operators(view: _View, operators: Operators) -> Iterator[Fault]:
    for node in view.nodes:
        if node.domain not in ("", "ai.onnx") or not operators.takes(node.op_type):
            kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            yield Fault("operator", _name(node), f"{kind} is not in {operators.tool}'s table: write it with others")


def _shapes(view: _View) -> Iterator[Fault]:
    for value in view.model.graph.input:
        if view.values.shapes.get(value.name) is None:
            yield Fault("shape", value.name, "this input has a size that is not known: give it a fixed one")
    inputs = {value.name for value in view.model.graph.input}
    for node in view.nodes:
        if all(view.values.shapes.get(name) is not None for name in node.input if name in inputs):
            for name in node.output:
                if name and view.values.shapes.get(name) is None:
                    yield Fault("shape", _name(node), f"the shape of {name} depends on values: make it a constant")
                    return  # what follows has no shape either


def _zero_points(view: _View) -> Iterator[Fault]:
    for node in view.nodes:
        if node.op_type not in QUANTIZERS:
            continue
        given = node.input[2] if len(node.input) > 2 and node.input[2] else ""
        kind = view.values.types.get(given or (node.input if node.op_type == "DequantizeLinear" else node.output)[0])
        if kind == "uint8" or (node.op_type == "QuantizeLinear" and not given):
            yield Fault("uint8", _name(node), "it quantizes to uint8: quantize to int8, symmetric")
        elif given and (given not in view.constants or bool(view.constants[given].any())):
            yield Fault("zero-point", _name(node), "its zero point is not 0: quantize symmetrically")


def _axes(view: _View) -> Iterator[Fault]:
    weights = set()
    for node in view.layers:
        found = view.quantized_from(node.input[1])
        if found is None:
            continue
        weights.add(found.output[0])
        shape = view.constants[found.input[0]].shape
        wanted = _channel(node, len(shape))
        scale, axis = _scale(view, found), _attribute(found, "axis", 1) % len(shape)
        if scale.size == 1 and shape[wanted] > 1:
            yield Fault("weight-axis", _name(node), f"its weights have one scale: give one a channel, on axis {wanted}")
        elif scale.size > 1 and axis != wanted:
            yield Fault("weight-axis", _name(node), f"its weights have scales on axis {axis}: they belong on {wanted}")
        if view.quantized_from(node.input[0]) is None:
            yield Fault("activation", _name(node), "its weights are int8 and its input is not: quantize the input")
    for node in view.nodes:
        if node.op_type not in QUANTIZERS or node.output[0] in weights or node.input[0] in view.constants:
            continue
        if _scale(view, node).size > 1:
            yield Fault("activation-axis", _name(node), "an activation has one scale for all of the tensor")


def _residuals(view: _View) -> Iterator[Fault]:
    quantized = {n.name for n in view.layers if view.quantized_from(n.input[1]) is not None}
    for name in skips(view.model, quantized):
        if view.quantized_from(name) is None:
            yield Fault("residual", name, "a residual Add after an int8 convolution takes this in float: quantize it")


def _types(view: _View) -> Iterator[Fault]:
    """A strongly typed network casts nothing by itself."""
    for node in view.nodes:
        if node.op_type in OTHER_TYPES or node.op_type == "Clip":
            continue
        kinds = {view.values.types.get(name, "?") for name in node.input if name} & set(FLOATS)
        if len(kinds) > 1:
            yield Fault("types", _name(node), f"its inputs are {' and '.join(sorted(kinds))}: cast to one of them")


def _channel(node: onnx.NodeProto, dims: int) -> int:
    """The axis of a layer's weight along which its outputs lie."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm":
        return 0 if _attribute(node, "transB", 0) else 1
    return dims - 1


def _scale(view: _View, node: onnx.NodeProto) -> Array:
    return view.constants.get(node.input[1], np.ones(1, np.float32))


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((a.i for a in node.attribute if a.name == name), default)


def _name(node: onnx.NodeProto) -> str:
    return str(node.name or node.output[0])
