"""An ONNX graph as TensorRT wants it: strongly typed, in float16, with explicit symmetric Q/DQ where int8 is meant.

By https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html: zero points are
zero, weights int8 per channel, activations int8 per tensor; what goes into a layer is quantized and what comes out is
not, so that activations fuse; the skip input of a residual Add after a quantized convolution is quantized too.
"""

from collections.abc import Collection

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from sensorium_compile.errors import CompileError
from sensorium_compile.targets.source import Source

LAYERS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
# Sums of squares leave float16's range: NVIDIA asks for float32 in normalisations. Casts cost less than a wrong answer.
FLOAT_OPS = ("LayerNormalization", "InstanceNormalization", "ReduceMean", "ReduceSum", "Pow", "Softmax")
_BLOCKED = sorted({*DEFAULT_OP_BLOCK_LIST, *FLOAT_OPS} - {"Min", "Max"})


def typed(source: Source, form: str) -> onnx.ModelProto:
    """The graph in ``float16``, or with the layers whose ranges are known in ``int8`` and the rest in float16.

    Raises CompileError where int8 is asked for and no ranges were recorded.
    """
    model = quantized(source) if form == "int8" else source.model
    made = onnx.ModelProto.FromString(model.SerializeToString())
    try:
        made = convert_float_to_float16(
            made, keep_io_types=True, op_block_list=_BLOCKED, node_block_list=_before_layers(made)
        )
    except Exception as err:  # it raises whatever it likes
        raise CompileError(f"graph {source.name} cannot be written in float16: {err}") from err
    sorter = ONNXModel(made)
    sorter.topological_sort()
    del sorter.model.graph.value_info[:]  # of the types that were
    made = onnx.shape_inference.infer_shapes(sorter.model, check_type=True, strict_mode=True, data_prop=True)
    made.graph.name = source.name
    return onnx.ModelProto.FromString(made.SerializeToString(deterministic=True))


def quantized(source: Source) -> onnx.ModelProto:
    """The graph with its Q/DQ, the rest in float32: what int8 costs can be seen on it, at a processor's full speed.

    Raises CompileError where no ranges were recorded.
    """
    if source.ranges is None:
        raise CompileError(
            f"graph {source.name}: no ranges were recorded, so it has no int8 form; give the data folder"
        )
    from sensorium_compile.lower.onnx_export import OnnxExport
    from sensorium_compile.lower.onnx_static import CONVOLUTION, LINEAR, tensor_ranges, weighted_nodes

    export = OnnxExport(source.model, source.paths)
    chosen = weighted_nodes(export, (*LINEAR, *CONVOLUTION), source.float_paths)
    ranges = tensor_ranges(source.name, export, source.ranges)
    quantizer = QDQQuantizer(
        onnx.ModelProto.FromString(source.model.SerializeToString()),  # it works in place
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8,
        tensors_range=TensorsData(
            CalibrationMethod.MinMax,
            {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()},
        ),
        nodes_to_quantize=list(chosen),
        nodes_to_exclude=[],
        op_types_to_quantize=list(LAYERS),
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": list(LAYERS),
        },
    )
    for name in skips(source.model, chosen):
        if name in ranges:
            quantizer.quantize_activation_tensor(name)
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return onnx.ModelProto.FromString(quantizer.model.model.SerializeToString())


def skips(model: onnx.ModelProto, quantized: Collection[str]) -> tuple[str, ...]:
    """The tensors that a residual Add takes beside the sum of a quantized convolution, which is named by its node."""
    constants = {c.name for c in model.graph.initializer}
    kinds = ("Conv", "ConvTranspose")
    sums = [n.output[0] for n in model.graph.node if n.op_type in kinds and n.name in quantized]
    found = []
    for node in model.graph.node:
        given = [name for name in node.input if name in sums]
        if node.op_type == "Add" and given and not constants.intersection(node.input):
            last = max(given, key=sums.index)  # of two sums the earlier one is the skip
            found += [name for name in node.input if name != last]
    return tuple(dict.fromkeys(found))


def _before_layers(model: onnx.ModelProto) -> list[str]:
    """The nodes that no layer with weights comes before: they bring raw samples to a range, which float16 has not."""
    after: set[str] = set()
    before = []
    for node in model.graph.node:
        if node.op_type in LAYERS or after.intersection(node.input):
            after.update(node.output)
        elif node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            before.append(node.name)
    return before
