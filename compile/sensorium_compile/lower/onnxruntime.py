"""Lowering to ONNX Runtime: float32, or int8 of the layers with weights in four ways."""

from collections.abc import Collection, Sequence

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode

from sensorium_compile.convert.quantize import quantize
from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower.activations import least_and_greatest
from sensorium_compile.lower.calibration import Calibration, Feeds, Ranges, layer_keys, range_of
from sensorium_compile.lower.exportable import Exportable, inside
from sensorium_compile.lower.onnx_export import OnnxExport, export_onnx
from sensorium_compile.lower.onnx_weights import quantize_weights

NAME = "onnxruntime"
PRECISIONS = ("float32", "int8-dynamic", "int8-static", "int8-mixed", "int8-weights")
TOOLS = ("torch", "onnxscript")

_LINEAR, _CONVOLUTION = ("MatMul", "Gemm"), ("Conv",)


def missing() -> str | None:
    """Why this backend cannot be used here, or None: it always can."""
    return None


def lower(
    graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = (), backend: str = NAME
) -> GraphDraft:
    """The graph as .onnx. ``int8-mixed`` is static convolutions with dynamic linear layers."""
    inputs, outputs = graph.specs()
    return GraphDraft(
        model=_as_bytes(_lowered(graph, precision, calibration, keep, backend)),
        precision=precision,
        golden={"example": graph.example()},
        inputs=inputs,
        outputs=outputs,
        tools=TOOLS,
    )


def _lowered(
    graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str], backend: str
) -> onnx.ModelProto:
    export = export_onnx(graph, backend)
    kept = graph.float_paths(keep)
    if precision == "float32":
        return export.model
    if precision == "int8-weights":
        return quantize_weights(export.model, _chosen(export, (*_LINEAR, *_CONVOLUTION, "Gather"), kept))
    model = quantize_weights(export.model, _chosen(export, ("Gather",), kept))  # tables of embeddings
    if precision in ("int8-dynamic", "int8-mixed"):
        model = _dynamic(model, _chosen(export, _LINEAR, kept))
    if precision == "int8-dynamic":
        return model
    ops = _CONVOLUTION if precision == "int8-mixed" else (*_LINEAR, *_CONVOLUTION)
    ranges = calibration.ranges(NAME, graph.name, lambda feeds: _ranges(export, feeds))
    return _static(graph.name, export, model, ranges, _chosen(export, ops, kept))


def _as_bytes(model: onnx.ModelProto) -> bytes:
    """The model's bytes, the same each time; shapes inside are left out, since every runtime infers them."""
    bare = onnx.ModelProto.FromString(model.SerializeToString())
    del bare.graph.value_info[:]
    for field in ("producer_name", "producer_version"):
        bare.ClearField(field)
    del bare.metadata_props[:]
    return bytes(bare.SerializeToString(deterministic=True))


def _chosen(export: OnnxExport, ops: Collection[str], kept: Collection[str]) -> tuple[str, ...]:
    """The nodes of those types that have a constant weight and lie outside of what is kept in float."""
    constants = {c.name: c for c in export.model.graph.initializer}
    return tuple(
        node.name
        for node in export.model.graph.node
        if node.op_type in ops and _has_weight(node, constants) and not inside(export.paths[node.name], kept)
    )


def _has_weight(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    weight = constants.get(node.input[0 if node.op_type == "Gather" else 1])
    return weight is not None and weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) >= 2


def _layers(export: OnnxExport) -> dict[str, onnx.NodeProto]:
    """Every layer that static int8 may touch, by its key."""
    names = set(_chosen(export, (*_LINEAR, *_CONVOLUTION), ()))
    nodes = [node for node in export.model.graph.node if node.name in names]
    return dict(zip(layer_keys(export.paths[node.name] for node in nodes), nodes, strict=True))


def _ranges(export: OnnxExport, feeds: Sequence[Feeds]) -> Ranges:
    """Ranges of all that any choice of blocks may need: what goes in and out of layers with weights."""
    layers = _layers(export)
    tensors = least_and_greatest(export.model, {t for n in layers.values() for t in (n.input[0], n.output[0])}, feeds)
    return {f"{key}.in": tensors[node.input[0]] for key, node in layers.items()} | {
        f"{key}.out": tensors[node.output[0]] for key, node in layers.items()
    }


def _static(
    graph: str, export: OnnxExport, model: onnx.ModelProto, ranges: Ranges, chosen: Collection[str]
) -> onnx.ModelProto:
    """``model`` (of ``export``, perhaps changed elsewhere) with the chosen nodes in QDQ form."""
    if not chosen:
        return model
    tensors: Ranges = {}
    for key, node in _layers(export).items():
        if node.name in chosen:
            tensors[node.input[0]] = range_of(ranges, graph, key, "in")
            tensors[node.output[0]] = range_of(ranges, graph, key, "out")
    ops = (*_LINEAR, *_CONVOLUTION)
    keep = {node.name for node in model.graph.node if node.op_type in ops and node.name not in chosen}
    # A linear layer's bias is an Add of its own: its sum stays float, and one rounding is saved.
    return quantize(model, tensors, ops, keep, float_outputs=_LINEAR)


def _dynamic(model: onnx.ModelProto, chosen: Collection[str]) -> onnx.ModelProto:
    """Weights int8 per channel, activations uint8 with the range of the moment."""
    if not chosen:
        return model
    quantizer = ONNXQuantizer(
        onnx.ModelProto.FromString(model.SerializeToString()),  # it works in place
        per_channel=True,
        reduce_range=True,  # for x86 without VNNI: see convert/quantize.py
        mode=QuantizationMode.IntegerOps,
        static=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=None,
        nodes_to_quantize=[],
        nodes_to_exclude=[n.name for n in model.graph.node if n.name not in chosen],
        op_types_to_quantize=list(_LINEAR),
        extra_options={"MatMulConstBOnly": True},
    )
    quantizer.quantize_model()
    return onnx.ModelProto.FromString(quantizer.model.model.SerializeToString())
