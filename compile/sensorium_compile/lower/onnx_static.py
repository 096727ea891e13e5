"""Static int8 of an exported ONNX graph: which of its nodes are layers, their ranges, and the graph in QDQ form."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from sensorium_compile.convert.quantize import quantize
from sensorium_compile.lower.activations import least_and_greatest
from sensorium_compile.lower.calibration import Feeds, Ranges, layer_keys, range_of
from sensorium_compile.lower.exportable import inside
from sensorium_compile.lower.onnx_export import OnnxExport

LINEAR, CONVOLUTION = ("MatMul", "Gemm"), ("Conv",)
_ACTIVATIONS = ("Relu", "Clip")  # which saturation does by itself, when the range ends where they do


def weighted_nodes(export: OnnxExport, ops: Collection[str], kept: Collection[str]) -> tuple[str, ...]:
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
    names = set(weighted_nodes(export, (*LINEAR, *CONVOLUTION), ()))
    nodes = [node for node in export.model.graph.node if node.name in names]
    return dict(zip(layer_keys(export.paths[node.name] for node in nodes), nodes, strict=True))


def ranges_of(export: OnnxExport, feeds: Sequence[Feeds]) -> Ranges:
    """Ranges of all that any choice of blocks may need: what goes in and out of layers with weights."""
    layers = _layers(export)
    tensors = least_and_greatest(export.model, {t for n in layers.values() for t in (n.input[0], n.output[0])}, feeds)
    return {f"{key}.in": tensors[node.input[0]] for key, node in layers.items()} | {
        f"{key}.out": tensors[node.output[0]] for key, node in layers.items()
    }


def tensor_ranges(graph: str, export: OnnxExport, ranges: Ranges) -> Ranges:
    """Ranges by name of the tensor instead of the layer's, as ``ranges_of`` recorded them."""
    made: Ranges = {}
    for key, node in _layers(export).items():
        made[node.output[0]] = range_of(ranges, graph, key, "out")
        made[node.input[0]] = range_of(ranges, graph, key, "in")
    return made


def quantize_static(
    graph: str, export: OnnxExport, model: onnx.ModelProto, ranges: Ranges, chosen: Collection[str]
) -> onnx.ModelProto:
    """``model`` (of ``export``, perhaps changed elsewhere) with the chosen nodes in QDQ form.

    An activation that only a chosen convolution feeds becomes part of it.
    """
    if not chosen:
        return model
    tensors: Ranges = {}
    quantized = set(chosen)
    for key, node in _layers(export).items():
        if node.name in chosen:
            tensors[node.input[0]] = range_of(ranges, graph, key, "in")
            tensors[node.output[0]] = low, high = range_of(ranges, graph, key, "out")
            for activation, (least, most) in _activations(export.model.graph, node):
                quantized.add(activation.name)
                tensors[activation.output[0]] = (min(max(low, least), most), max(min(high, most), least))
    ops = (*LINEAR, *CONVOLUTION, *_ACTIVATIONS)
    keep = {node.name for node in model.graph.node if node.op_type in ops and node.name not in quantized}
    # The outputs of linear layers too: ONNX Runtime 1.32 fuses none whose sum stays float, and is slower than float.
    return quantize(model, tensors, ops, keep)


def _activations(graph: onnx.GraphProto, node: onnx.NodeProto) -> Iterator[tuple[onnx.NodeProto, tuple[float, float]]]:
    """The activation after a convolution, with its bounds, where nothing else reads the sum."""
    readers = [other for other in graph.node if node.output[0] in other.input]
    if node.op_type in CONVOLUTION and len(readers) == 1 and not any(node.output[0] == o.name for o in graph.output):
        (reader,) = readers
        if reader.op_type == "Relu":
            yield reader, (0.0, np.inf)
        elif reader.op_type == "Clip":
            constants = {c.name: float(numpy_helper.to_array(c)) for c in graph.initializer if c.name in reader.input}
            if len(constants) == len([name for name in reader.input[1:] if name]) and len(reader.input) == 3:
                yield reader, (constants[reader.input[1]], constants[reader.input[2]])
