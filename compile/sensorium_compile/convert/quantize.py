"""Static int8 (QDQ) from ranges of activations recorded once, so that every build gives the same bytes.

Activations are uint8 per tensor, weights int8 per channel. Weights use seven of the eight bits: without VNNI,
x86 adds pairs of uint8 x int8 products in 16 bits, which full weights overflow ("reduce range" in
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

import json
from collections.abc import Collection
from importlib import resources

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from sensorium_compile.errors import CompileError

Ranges = dict[str, tuple[float, float]]  # tensor -> least and greatest value


def recorded_ranges(name: str) -> Ranges:
    """The ranges of that name, recorded by ``references/record_ranges.py``."""
    text = resources.files("sensorium_compile.convert.references").joinpath(f"{name}.json").read_text()
    return {tensor: (low, high) for tensor, (low, high) in json.loads(text).items()}


def quantize(
    model: onnx.ModelProto, ranges: Ranges, ops: Collection[str], keep: Collection[str] = ()
) -> onnx.ModelProto:
    """The model with its nodes of the types ``ops`` quantized, except those that ``keep`` names.

    Raises CompileError when the ranges are not of this graph.
    """
    quantizer = QDQQuantizer(
        onnx.ModelProto.FromString(model.SerializeToString()),  # it works in place
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=tensors_data(ranges),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(keep),
        op_types_to_quantize=sorted(ops),
        extra_options={},
    )
    try:
        quantizer.quantize_model()
    except (KeyError, ValueError) as err:
        raise CompileError(
            f"the recorded ranges do not fit graph {model.graph.name}: {err}; record them again"
        ) from err
    quantizer.model.topological_sort()
    made = quantizer.model.model
    onnx.checker.check_model(made)
    return onnx.ModelProto.FromString(made.SerializeToString())


def tensors_data(ranges: Ranges) -> TensorsData:
    """Ranges as ONNX Runtime's quantizer takes them."""
    values = {t: (np.float32(low), np.float32(high)) for t, (low, high) in ranges.items()}
    return TensorsData(CalibrationMethod.MinMax, values)
