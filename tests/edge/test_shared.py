"""Graphs that several sessions run."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.edge.tiny_model import LABELS, write_bundle

from sensorium import BackendError, Bundle, Frame, Percept, Session, SharedGraphs, assemble
from sensorium.backends import open_graph
from sensorium.batching import Cost
from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.clock import MonotonicClock
from sensorium.samples import Array
from sensorium.shared import BatchedGraph, takes_batches
from sensorium_devices.synthetic import Synthetic

LIMIT_S = 60.0
FLOATS = TensorSpec(name="x", dtype="float32", shape=(-1, 3))
GIVEN = TensorSpec(name="y", dtype="float32", shape=(-1, 3))


class Telling(MonotonicClock):
    """A clock that lets through whoever waits for somebody to look at it."""

    def __init__(self) -> None:
        self.looked = threading.Semaphore(0)

    def now_ns(self) -> int:
        self.looked.release()
        return super().now_ns()


class Gated:
    """Doubles; fails on NaN. Its runs wait for the gate once it is shut."""

    inputs, outputs = (FLOATS,), (GIVEN,)

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Semaphore(0)
        self.open.set()
        self.runs: list[Array] = []

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.entered.release()
        assert self.open.wait(LIMIT_S)
        self.runs.append(feeds["x"])
        if np.isnan(feeds["x"]).any():
            raise BackendError("not a number")
        return {"y": 2 * feeds["x"]}


def row(value: float) -> dict[str, Array]:
    return {"x": np.full((1, 3), value, np.float32)}


def together(*requests: dict[str, Array]) -> tuple[Gated, BatchedGraph, list[dict[str, Array] | Exception]]:
    """What comes of requests that come while the graph is busy with another."""
    graph, clock = Gated(), Telling()
    batched = BatchedGraph(graph, clock=clock)
    batched.cost = Cost(1e6, 1e3)
    graph.runs.clear()
    graph.open.clear()
    graph.entered, clock.looked = threading.Semaphore(0), threading.Semaphore(0)
    with ThreadPoolExecutor(len(requests) + 1) as pool:
        first = pool.submit(batched.run, row(0))
        assert graph.entered.acquire(timeout=LIMIT_S)
        clock.looked = threading.Semaphore(0)
        later = []
        for feeds in requests:
            later.append(pool.submit(batched.run, feeds))
            assert clock.looked.acquire(timeout=LIMIT_S)  # it has its place in the queue
        graph.open.set()
        first.result(LIMIT_S)
        results = [future.exception(LIMIT_S) or future.result() for future in later]
    return graph, batched, [r for r in results if isinstance(r, dict | Exception)]


def test_what_comes_while_the_graph_is_busy_runs_in_one_batch_and_everybody_gets_the_own() -> None:
    graph, batched, results = together(row(1), row(2), row(3), row(4))
    assert [len(run) for run in graph.runs] == [1, 4]
    assert [float(r["y"][0, 0]) for r in results if isinstance(r, dict)] == [2, 4, 6, 8]
    assert batched.batches == {1: 1, 4: 1}


def test_a_request_that_fails_fails_alone() -> None:
    _, _, results = together(row(1), row(float("nan")), row(3))
    assert isinstance(results[1], BackendError)
    assert [float(r["y"][0, 0]) for r in results if isinstance(r, dict)] == [2, 6]


def test_many_threads_lose_nothing() -> None:
    batched = BatchedGraph(Gated())
    batched.cost = Cost(1e9, 1.0)
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda value: float(batched.run(row(value))["y"][0, 2]), range(400)))
    assert made == [2.0 * value for value in range(400)]
    assert sum(size * count for size, count in batched.batches.items()) == 400


def test_other_modalities_or_shapes_do_not_run_together() -> None:
    both, one = ({"presence": np.array([there], np.float32)} for there in ([1, 1], [1, 0]))
    wide = {"x": np.full((1, 4), 5, np.float32)}
    graph, _, results = together(row(1) | both, row(2) | one, row(3) | both, wide | both)
    assert [run[:, 0].tolist() for run in graph.runs] == [[0], [1, 3], [2], [5]]
    assert [float(r["y"][0, 0]) for r in results if isinstance(r, dict)] == [2, 4, 6, 10]


def test_a_real_graph_gives_in_a_batch_what_it_gives_alone() -> None:
    entry, model = _adding()
    batched = SharedGraphs().open(entry, model, threads=1)
    batched.cost = Cost(1e9, 1.0)
    alone = open_graph(entry, model, threads=1)
    rows = [np.array([[i, 2 * i, 1]], np.float32) for i in range(32)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda one: batched.run({"x": one})["y"], rows))
    for one, got in zip(rows, made, strict=True):
        np.testing.assert_allclose(got, alone.run({"x": one})["y"], rtol=1e-6)


def test_a_graph_with_a_fixed_batch_is_shared_and_run_one_by_one(tmp_path: Path) -> None:
    with Bundle(write_bundle(tmp_path)) as bundle:
        shared = SharedGraphs()
        for _ in range(3):
            assemble(bundle, threads=1, shared=shared)
        assert len(shared.graphs) == len(bundle.part("colours").entry.graphs)
        assert {graph.most for graph in shared.graphs} == {1}
        assert not any(map(takes_batches, shared.graphs))


def test_another_number_of_threads_is_another_graph() -> None:
    shared, (entry, model) = SharedGraphs(), _adding()
    assert shared.open(entry, model, threads=1) is shared.open(entry, model, threads=1)
    assert shared.open(entry, model, threads=1) is not shared.open(entry, model, threads=2)
    with pytest.raises(BackendError, match="refuses it"):
        shared.open(entry, b"no graph")


def test_four_cameras_on_one_runtime_are_each_told_what_they_see(tmp_path: Path) -> None:
    shared, clock = SharedGraphs(), MonotonicClock()
    with Bundle(write_bundle(tmp_path, ["vision"], any_batch=True)) as bundle:
        sessions = [
            Session(assemble(bundle, threads=1, shared=shared), [_camera(i, clock)], clock=clock) for i in (0, 1, 2, 0)
        ]
        assert {graph.most > 1 for graph in shared.graphs} == {True}
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(_seen, sessions)) == [LABELS[i] for i in (0, 1, 2, 0)]


def _adding() -> tuple[GraphEntry, bytes]:
    """A real graph: adds 1, 2, 3 to each row."""
    nodes = [helper.make_node("Add", ["x", "one"], ["y"])]
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("rows", 3)) for name in ("x", "y")]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1, 3], [1.0, 2.0, 3.0])
    graph = helper.make_graph(nodes, "adding", told[:1], told[1:], [one])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    entry = GraphEntry(file="adding.onnx", backend="onnxruntime", inputs=(FLOATS,), outputs=(GIVEN,))
    return entry, bytes(model.SerializeToString())


def _camera(colour: int, clock: MonotonicClock) -> Synthetic:
    """A striped wall of that colour, with a sensor's noise."""
    dice = np.random.default_rng(colour)
    shade = 250 * np.eye(3, dtype=np.uint8)[colour]

    def frame(at_ns: int, seq: int) -> Frame:
        image: NDArray[np.uint8] = np.zeros((48, 64, 3), np.uint8)
        image[:, ::2] = image[:, 1::2] = shade
        image[:24] //= 2
        return Frame(at_ns, seq, image + dice.integers(0, 2, image.shape, np.uint8))

    return Synthetic("vision", 40_000_000, frame, clock)


def _seen(session: Session) -> str:
    """What it is surest of, once it saw something."""
    with session:
        for event in session:
            if isinstance(event, Percept) and event.candidates and event.candidates[0].contributions:
                return event.candidates[0].text
    raise AssertionError("the session ended")
