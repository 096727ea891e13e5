"""Lowering to ONNX Runtime: float32, or int8 of the layers with weights in four ways."""

from collections.abc import Collection

import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.quant_utils import QuantizationMode

from sensorium.bundle import TensorSpec
from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower.calibration import Calibration
from sensorium_compile.lower.exportable import Exportable
from sensorium_compile.lower.onnx_export import export_onnx
from sensorium_compile.lower.onnx_static import CONVOLUTION, LINEAR, quantize_static, ranges_of, weighted_nodes
from sensorium_compile.lower.onnx_weights import quantize_weights

NAME = "onnxruntime"
PRECISIONS = ("float32", "int8-dynamic", "int8-static", "int8-mixed", "int8-weights")
TOOLS = ("torch", "onnxscript")


def missing() -> str | None:
    """Why this backend cannot be used here, or None: it always can."""
    return None


def lower(
    graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = (), backend: str = NAME
) -> GraphDraft:
    """The graph as .onnx. ``int8-mixed`` is static convolutions with dynamic linear layers."""
    inputs, outputs = (tuple(_any_rows(graph, spec) for spec in specs) for specs in graph.specs())
    return GraphDraft(
        model=_as_bytes(_lowered(graph, precision, calibration, keep, backend)),
        precision=precision,
        golden={"example": graph.example()},
        inputs=inputs,
        outputs=outputs,
        tools=TOOLS,
    )


def _any_rows(graph: Exportable, spec: TensorSpec) -> TensorSpec:
    return spec if graph.batch == "one" else spec.model_copy(update={"shape": (-1, *spec.shape[1:])})


def _lowered(
    graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str], backend: str
) -> onnx.ModelProto:
    export = export_onnx(graph, backend)
    kept = graph.float_paths(keep)
    if precision == "float32":
        return export.model
    if precision == "int8-weights":
        return quantize_weights(export.model, weighted_nodes(export, (*LINEAR, *CONVOLUTION, "Gather"), kept))
    model = quantize_weights(export.model, weighted_nodes(export, ("Gather",), kept))  # tables of embeddings
    if precision in ("int8-dynamic", "int8-mixed"):
        model = _dynamic(model, weighted_nodes(export, LINEAR, kept))
    if precision == "int8-dynamic":
        return model
    ops = CONVOLUTION if precision == "int8-mixed" else (*LINEAR, *CONVOLUTION)
    ranges = calibration.ranges(NAME, graph.name, lambda feeds: ranges_of(export, feeds))
    return quantize_static(graph.name, export, model, ranges, weighted_nodes(export, ops, kept))


def _as_bytes(model: onnx.ModelProto) -> bytes:
    """The model's bytes, the same each time; shapes inside are left out, since every runtime infers them."""
    bare = onnx.ModelProto.FromString(model.SerializeToString())
    del bare.graph.value_info[:]
    for field in ("producer_name", "producer_version"):
        bare.ClearField(field)
    del bare.metadata_props[:]
    return bytes(bare.SerializeToString(deterministic=True))


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
        op_types_to_quantize=list(LINEAR),
        extra_options={"MatMulConstBOnly": True},
    )
    quantizer.quantize_model()
    return onnx.ModelProto.FromString(quantizer.model.model.SerializeToString())
