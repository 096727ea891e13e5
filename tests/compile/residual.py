"""A small convolutional graph with a residual sum, as torch's exporter would give it, with the ranges of its layers."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sensorium_compile.targets.source import Source

SIZE, CHANNELS, OUT = 8, 4, 3
RANGES = {
    "stem.in": (-2.0, 2.0),
    "stem.out": (-6.0, 6.0),
    "block.in": (-6.0, 6.0),
    "block.out": (-9.0, 9.0),
    "head.in": (-4.0, 4.0),
    "head.out": (-8.0, 8.0),
}


def residual(extra: list[onnx.NodeProto] | None = None, shape: tuple[int | str, ...] = (1, 3, SIZE, SIZE)) -> Source:
    """x -> stem -> (block, +) -> mean -> head; ``extra`` nodes take ``mean`` and give ``more`` to the head."""
    rng = np.random.default_rng(0)
    weights = {
        "stem.weight": rng.normal(0, 0.4, (CHANNELS, 3, 3, 3)),
        "stem.bias": rng.normal(0, 0.1, CHANNELS),
        "block.weight": rng.normal(0, 0.4, (CHANNELS, CHANNELS, 3, 3)),
        "block.bias": rng.normal(0, 0.1, CHANNELS),
        "head.weight": rng.normal(0, 0.5, (CHANNELS, OUT)),
    }
    nodes = [
        helper.make_node("Conv", ["sample", "stem.weight", "stem.bias"], ["stemmed"], name="node_stem", pads=[1] * 4),
        helper.make_node("Conv", ["stemmed", "block.weight", "block.bias"], ["sum"], name="node_block", pads=[1] * 4),
        helper.make_node("Add", ["sum", "stemmed"], ["added"], name="node_add"),
        helper.make_node("GlobalAveragePool", ["added"], ["pooled"], name="node_pool"),
        helper.make_node("Flatten", ["pooled"], ["mean"], name="node_flat"),
        *(extra or []),
        helper.make_node("MatMul", ["more" if extra else "mean", "head.weight"], ["tokens"], name="node_head"),
    ]
    graph = helper.make_graph(
        nodes,
        "vision",
        [helper.make_tensor_value_info("sample", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, [1, OUT])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    paths = {node.name: node.name.removeprefix("node_") for node in nodes}
    given = rng.uniform(-2, 2, (1, 3, SIZE, SIZE)).astype(np.float32)
    return Source("vision", model, paths, dict(RANGES), golden={"example": {"sample": given}})
