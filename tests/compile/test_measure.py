import numpy as np
import onnx
import pytest
from tests.compile import tiny_model

from sensorium.samples import Array
from sensorium_compile.errors import CompileError
from sensorium_compile.verify.measure import latency, measure, measure_graphs
from sensorium_compile.verify.opened import OpenedModel
from sensorium_compile.verify.profile import SCOPES, block_times

SAMPLES: dict[str, Array] = {
    "vision": np.zeros((1, 3, 8, 8), np.float32),
    "audio": np.zeros((1, 1800), np.float32),
}


class Counting:
    """A graph that notes in what order graphs are run."""

    def __init__(self, name: str, seen: list[str], opened: OpenedModel) -> None:
        self.name, self.seen, self.inner = name, seen, opened.fusion
        self.inputs, self.outputs = self.inner.inputs, self.inner.outputs

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        self.seen.append(self.name)
        return self.inner.run(feeds)


def test_forms_take_turns() -> None:
    seen: list[str] = []
    opened = OpenedModel.open(tiny_model.graphs())
    forms = {name: OpenedModel(opened.encoders, Counting(name, seen, opened), 7) for name in "AB"}
    told = measure(forms, SAMPLES, rounds=3)
    turns = "".join(seen)
    assert turns.endswith("AAAABBBB" * 3)
    assert told["A"].size_bytes == 7
    assert told["A"].subsets["vision"].runs == 9


def test_a_subsets_answer_is_its_encoders_and_the_fusion() -> None:
    told = measure({"one": OpenedModel.open(tiny_model.graphs())}, SAMPLES, rounds=5)["one"]
    assert list(told.subsets) == ["vision", "audio", "vision+audio"]
    assert set(told.graphs) == {"vision", "audio", "fusion"}
    assert told.ms == told.subsets["vision+audio"].median_ms
    assert told.ms > told.subsets["audio"].median_ms > told.graphs["fusion"].low_ms
    assert told.size_bytes == sum(len(model) for _, model in tiny_model.graphs().values())


def test_single_graphs_are_timed_too() -> None:
    opened = OpenedModel.open(tiny_model.graphs())
    told = measure_graphs({"vision": (opened.encoders["vision"], {"sample": SAMPLES["vision"]})}, rounds=2)
    assert told["vision"].runs == 6


def test_latency_tells_median_tail_and_spread() -> None:
    told = latency(np.arange(0, 101) * 1_000_000)
    assert (told.median_ms, told.p95_ms, told.spread_ms) == (50.0, 95.0, 50.0)


def test_a_model_without_a_fusion_or_with_other_senses_is_told() -> None:
    graphs = tiny_model.graphs()
    with pytest.raises(CompileError, match="one named fusion; given vision, audio"):
        OpenedModel.open({name: graphs[name] for name in ("vision", "audio")})
    with pytest.raises(CompileError, match="must take vision, presence"):
        OpenedModel.open({name: graphs[name] for name in ("vision", "fusion")})


def test_time_goes_to_the_modules_that_nodes_came_from() -> None:
    model = onnx.load_from_string(tiny_model.model("vision"))
    for node in model.graph.node:
        path = "stem" if node.op_type == "ReduceMean" else "blocks.0.norm"
        node.metadata_props.add(key=SCOPES, value=f"['', '{path}', 'op']")
    told = block_times(model.SerializeToString(), {"sample": SAMPLES["vision"]}, runs=5)
    assert {time.block for time in told} == {"stem", "blocks.0"}
    assert sum(time.share for time in told) == pytest.approx(1.0) or not any(time.ms for time in told)  # whole us


def test_a_graph_without_modules_is_told_by_operators() -> None:
    told = block_times(tiny_model.model("vision"), {"sample": SAMPLES["vision"]}, runs=5)
    assert {time.block for time in told} <= {"ReduceMean", "Div", "Mul", "Unsqueeze"}
