"""A part small enough to pack in a test: y = x + 1."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from sensorium.bundle import Origin
from sensorium_compile.draft import GraphDraft, PartDraft


def add_one() -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["y"])],
        "add-one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(onnx.ModelProto.SerializeToString(model))


def tiny_part() -> PartDraft:
    return PartDraft(
        role="adder",
        graphs={"model": GraphDraft(add_one(), golden={"ramp": {"x": np.arange(4, dtype=np.float32)[None]}})},
        files={"labels": ("labels.txt", b"one\ntwo\n")},
        config={"size": 4},
        origins=(Origin(package="none", file="made here", sha256="0" * 64, licence="Apache-2.0"),),
    )
