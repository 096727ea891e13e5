"""A float graph quantized as the QNN provider wants it: every activation in 8 or 16 bits, weights in 8 by channel.

What is marked ``float_only`` stays in float, which HTP computes in 16 bits: its values span more than 16-bit integers
hold, and there emulation comes out 24 dB below what ONNX Runtime simulates.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from sensorium_compile.convert.quantize import tensors_data
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.activations import least_and_greatest
from sensorium_compile.lower.calibration import Feeds, Ranges
from sensorium_compile.lower.exportable import inside
from sensorium_compile.targets.source import Source

KEY = "hexagon"  # of the ranges in a checkpoint's calibration
DEQUANTIZES, BYTE_SCALE = 10, "byte_scale"  # the first opset that has DequantizeLinear; a constant's name
ACTIVATIONS = {"int8": QuantType.QUInt8, "int16": QuantType.QUInt16}
UNSIGNED = ("LayerNormalization",)  # HTP takes their scale in uint8 with one range; as int8 by channel they fall back


def ranges_of(source: Source) -> Ranges:
    """Of every tensor; raises CompileError where they are not recorded and there are no samples."""
    if source.calibration is None:
        raise CompileError(f"graph {source.name}: no ranges of its activations are known, so it has no integer form")
    return source.calibration.ranges(KEY, source.name, partial(all_ranges, source.model))


def quantized(source: Source, form: str) -> onnx.ModelProto:
    """The graph in QDQ form; the float graph where ``form`` is float16, which HTP makes of it.

    Raises CompileError: no ranges and no samples, or ranges of another graph.
    """
    if form not in ACTIVATIONS:
        return without_byte_casts(source.model)
    ranges = ranges_of(source)
    left = [n.name for n in source.model.graph.node if inside(source.paths.get(n.name, "?"), source.float_paths)]
    config = get_qnn_qdq_config(
        source.model,
        _NoSamples(),
        activation_type=ACTIVATIONS[form],
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=left,
        init_overrides={name: [{"quant_type": QuantType.QUInt8}] for name in _scales(source.model)},
    )
    quantizer = QDQQuantizer(
        onnx.ModelProto.FromString(source.model.SerializeToString()),  # it works in place
        per_channel=True,
        reduce_range=False,
        weight_qType=config.weight_type,
        activation_qType=config.activation_type,
        tensors_range=tensors_data(ranges),
        nodes_to_quantize=[],
        nodes_to_exclude=config.nodes_to_exclude,
        op_types_to_quantize=config.op_types_to_quantize,
        extra_options=config.extra_options,
    )
    try:
        quantizer.quantize_model()
    except (KeyError, ValueError) as err:
        raise CompileError(f"the ranges do not fit graph {source.name}: {err}; record them again from data") from err
    quantizer.model.topological_sort()
    return onnx.ModelProto.FromString(quantizer.model.model.SerializeToString())


def without_byte_casts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Bytes become floats by DequantizeLinear: of a Cast, HTP as it is emulated here makes 0 or 1.

    The model itself where there are none, or its opset has no DequantizeLinear.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info)}
    casts = [
        place
        for place, node in enumerate(model.graph.node)
        if node.op_type == "Cast"
        and types.get(node.input[0]) == onnx.TensorProto.UINT8
        and types.get(node.output[0]) == onnx.TensorProto.FLOAT
    ]
    if not casts or next(one.version for one in model.opset_import if not one.domain) < DEQUANTIZES:
        return model
    made = onnx.ModelProto.FromString(model.SerializeToString())
    for place in casts:
        cast = made.graph.node[place]
        fed = [cast.input[0], BYTE_SCALE]
        cast.CopyFrom(onnx.helper.make_node("DequantizeLinear", fed, list(cast.output), cast.name))
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array(1, np.float32), BYTE_SCALE))
    return made


def all_ranges(model: onnx.ModelProto, feeds: Sequence[Feeds]) -> Ranges:
    """The range of every activation in float."""
    known = onnx.shape_inference.infer_shapes(model).graph
    values = (*known.input, *known.value_info, *known.output)
    floats = {v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    made = {name for node in known.node for name in node.output} | {v.name for v in known.input}
    return least_and_greatest(model, floats & made, feeds)


def _scales(model: onnx.ModelProto) -> set[str]:
    """The constants that must have one scale for all of them."""
    constants = {c.name for c in model.graph.initializer}
    return {node.input[1] for node in model.graph.node if node.op_type in UNSIGNED and node.input[1] in constants}


class _NoSamples(CalibrationDataReader):  # type: ignore[misc]
    """The ranges are known."""

    def get_next(self) -> None:
        """Nothing."""
