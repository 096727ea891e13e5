"""Which operators of an ONNX graph a chip's compiler takes, and what it costs that it does not take the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import onnx
from onnx import shape_inference

from sensorium_compile.errors import CompileError
from sensorium_compile.targets import Placement, Refused
from sensorium_compile.targets.source import Source
from sensorium_devices.targets import Operators, Target

NO_WORK = ("Constant", "Identity")  # computed before, or nothing at all
ARITHMETIC = ("Conv", "ConvTranspose", "MatMul", "Gemm")  # where nearly all multiply-adds are
LEAST_SHARE = 0.5  # of the multiply-adds on the accelerator; below, handing over costs more than it can gain
# A ViT on Hexagon with 72 operators on the processor ran 198.8 ms, one without any 3.4 ms.

_TYPES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.BOOL: "bool",
    onnx.TensorProto.STRING: "string",
    onnx.TensorProto.DOUBLE: "float64",
}


@dataclass(frozen=True, slots=True)
class Values:
    """What shape inference knows of the tensors of a graph."""

    shapes: Mapping[str, tuple[int, ...] | None]  # None: a size is not known
    types: Mapping[str, str]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> "Values":
        """Infer; raises CompileError where the graph contradicts itself."""
        try:
            known = shape_inference.infer_shapes(model, data_prop=True).graph
        except Exception as err:  # onnx raises several kinds without a base class of their own
            raise CompileError(f"graph {model.graph.name}: its shapes cannot be inferred: {err}") from err
        shapes: dict[str, tuple[int, ...] | None] = {}
        types: dict[str, str] = {}
        for value in (*known.input, *known.value_info, *known.output):
            tensor = value.type.tensor_type
            sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
            shapes[value.name] = tuple(sizes) if tensor.HasField("shape") and min(sizes, default=1) >= 0 else None
            types[value.name] = _TYPES.get(tensor.elem_type, "?")
        for constant in known.initializer:
            shapes[constant.name] = tuple(constant.dims)
            types[constant.name] = _TYPES.get(constant.data_type, "?")
        return cls(shapes, types)

    def macs(self, node: onnx.NodeProto) -> int:
        """Multiply-adds of a node; 0 where it has none or a shape is not known."""
        if node.op_type not in ARITHMETIC:
            return 0
        out, weight = self.shapes.get(node.output[0]), self.shapes.get(node.input[1])
        if out is None or weight is None:
            return 0
        if node.op_type in ("Conv", "ConvTranspose"):
            return prod(out) * prod(weight[1:])
        given = self.shapes.get(node.input[0])
        return prod(out) * given[-1] if given else 0


def place(source: Source, target: Target) -> Placement:
    """Where each operator would run, by the table of the chip's compiler. Nothing is compiled for it."""
    operators = target.operator_set
    assert operators is not None, target.family
    values = Values.of(source.model)
    nodes = [node for node in source.model.graph.node if node.op_type not in NO_WORK]
    refused = {i: why for i, node in enumerate(nodes) if (why := _refusal(source, node, operators, values)) is not None}
    return Placement(len(nodes), tuple(refused.values()), cost(nodes, [*refused], values))


def cost(nodes: list[onnx.NodeProto], fell_back: list[int], values: Values) -> str:
    """What it costs that these nodes, by place, run on the processor."""
    if not fell_back:
        return ""
    away = set(fell_back)
    total, lost = sum(map(values.macs, nodes)), sum(values.macs(nodes[i]) for i in away)
    made_by = {out: i for i, node in enumerate(nodes) for out in node.output}
    crossing = {
        name
        for i, node in enumerate(nodes)
        for name in node.input
        if name in made_by and (made_by[name] in away) != (i in away)
    }
    size = sum(prod(values.shapes.get(name) or ()) * 4 for name in crossing)
    share = f"{lost / total:.1%} of the multiply-adds" if total else "no multiply-adds"
    return (
        f"{len(away)} of {len(nodes)} operators and {share} on the processor; "
        f"{len(crossing)} tensors ({size / 1e6:.2f} MB as float32) handed over an inference"
    )


def share_on_accelerator(source: Source, placed: Placement) -> float:
    """The share of the multiply-adds that runs on the accelerator; of the operators, where there are none."""
    values = Values.of(source.model)
    away = {one.node for one in placed.fell_back}
    nodes = source.model.graph.node
    total = sum(map(values.macs, nodes))
    if not total:
        return placed.on_accelerator / placed.operators if placed.operators else 1.0
    return 1 - sum(values.macs(node) for node in nodes if node.output[0] in away) / total


def check_worth(source: Source, placed: Placement, target: Target) -> None:
    """Raise CompileError where a graph cannot go to the target, or would be slower there than without it."""
    if not placed.fell_back:
        return
    first = placed.fell_back[0]
    more = f" (and {len(placed.fell_back) - 1} more)" if len(placed.fell_back) > 1 else ""
    if target.fallback == "none":
        raise CompileError(f"graph {source.name} cannot go to {target}, which runs all of it or nothing: {first}{more}")
    if (share := share_on_accelerator(source, placed)) < LEAST_SHARE:
        raise CompileError(
            f"graph {source.name} would gain nothing on {target}: {share:.0%} of its multiply-adds would run on the "
            f"accelerator, at least {LEAST_SHARE:.0%} must: {first}{more}"
        )


def _refusal(source: Source, node: onnx.NodeProto, operators: Operators, values: Values) -> Refused | None:
    def refused(why: str, change: str) -> Refused:
        return Refused(node.op_type, source.layer(node), why, change, node.output[0])

    told = f"{operators.tool} {operators.version}"
    if node.domain not in ("", "ai.onnx"):
        return refused(f"{told} has no operators of {node.domain}", "export the layer in ONNX's own operators")
    if operators.form == "onnx" and not operators.takes(node.op_type):
        return refused(f"{told} does not take it", "write the layer with other operators, or leave this target out")
    if any(values.shapes.get(name) is None for name in node.output if name):
        return refused("its shape is not known before it runs", "give every input a fixed shape, and avoid its values")
    limits = operators.supported.get(node.op_type)
    kind = values.types.get(node.input[0], "?") if node.input else "?"
    if limits is not None and limits.types and kind != "?" and kind not in limits.types:
        return refused(f"{told} takes {', '.join(limits.types)} there, not {kind}", "cast its input")
    return None
