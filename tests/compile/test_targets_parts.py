"""Ready parts for a chip: a graph is lowered where the chip takes it and answers the same, else it stays as it is."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sensorium.bundle import status_of
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.targets import PROCESSORS
from sensorium_compile.targets.parts import PartsOutcome, compile_parts
from sensorium_compile.targets.processor import proved
from sensorium_devices.targets import Target, targets

RNG = np.random.default_rng(0)


def part(shape: list[int | str]) -> PartDraft:
    """A layer as the zoo's graphs are: it declares its inputs and outputs itself."""
    weight = numpy_helper.from_array(RNG.normal(size=(8, 8)).astype(np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["made"]), helper.make_node("Relu", ["made"], ["y"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    golden = {"example": {"x": RNG.normal(size=(4, 8)).astype(np.float32)}}
    return PartDraft("layer", {"model": GraphDraft(model.SerializeToString(), golden=golden)})


def outcome(shape: list[int | str]) -> PartsOutcome:
    """On a Jetson."""
    return compile_parts({"layer": part(shape)}, Target.parse("jetson-orin-nano"), lambda *_: None)


def test_on_a_processor_it_runs_as_it_is_and_is_measured_where_that_is_this_machine() -> None:
    here = next(target for target in targets() if target.family in PROCESSORS and target.is_here)
    made = proved({"layer": part([4, 8])}, here)["layer"]
    assert status_of(made.graphs["model"].evidence) == "measured"


def test_a_graph_that_the_chip_takes_is_lowered_and_checked_against_its_own_answers() -> None:
    made = outcome([4, 8])
    assert made.stayed == {}
    assert made.parts["layer"].graphs["model"].backend == "tensorrt"


def test_a_graph_of_any_size_stays_on_the_processor_and_says_why() -> None:
    made = outcome(["n", 8])
    assert made.lowered == {}
    assert "layer/model" in made.stayed
    assert made.parts["layer"].graphs["model"].backend == "onnxruntime"
