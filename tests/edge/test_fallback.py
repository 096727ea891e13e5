"""A graph whose backend fails while it runs: the next one takes over, at once, for good, and it is told."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.edge.test_learned import Run, picture
from tests.edge.tiny_model import write_bundle

from sensorium import fallback
from sensorium.assemble import assemble
from sensorium.backends import Graph
from sensorium.bundle import Bundle, FallbackEntry, GraphEntry, TensorSpec
from sensorium.clock import NS_PER_MS, MonotonicClock
from sensorium.errors import BackendError, RecordingError
from sensorium.events import BackendChanged, Guess, Percept, to_json
from sensorium.fallback import FallbackGraph, forms_of
from sensorium.guard import TRIALS, Lane, Patience
from sensorium.jobs import Workshop
from sensorium.replay import Taken, describe, replay
from sensorium.samples import Array, Sample
from sensorium.session import Parts, Session
from sensorium.steps import Finding, Replaced
from sensorium_devices.synthetic import synthetic_camera

SPECS = (TensorSpec(name="x", dtype="float32", shape=(1,)),)
SHORT = Patience(first_s=0.05, least_s=0.05, guarded_from_s=0)
FEEDS = {"x": np.array([3], np.float32)}


class Fake:
    """A graph that does as it is told."""

    inputs = outputs = SPECS

    def __init__(self, run: Callable[[Mapping[str, Array]], dict[str, Array]]) -> None:
        self._run = run

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self._run(feeds)


def gives(value: float) -> Fake:
    return Fake(lambda _: {"x": np.array([value], np.float32)})


def raises(_: object) -> dict[str, Array]:
    raise BackendError("one.onnx: one failed: out of memory")


class Hanging(Fake):
    """Does not return before it is let."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.thread: threading.Thread | None = None  # that hangs
        super().__init__(self._hang)

    def _hang(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.thread = threading.current_thread()
        self.let_go.wait()
        return dict(feeds)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.let_go.set()


def made(
    *graphs: Graph | BackendError, patience: Patience | None = None
) -> tuple[FallbackGraph, list[Replaced], list[str]]:
    """The graph, what it tells, and which backends were opened."""
    names = ("one", "two", "three")[: len(graphs)]
    by_name, opened = dict(zip(names, graphs, strict=True)), []

    def opener(entry: GraphEntry) -> Graph:
        opened.append(entry.backend)
        graph = by_name[entry.backend]
        if isinstance(graph, BackendError):
            raise graph
        return graph

    forms = [GraphEntry(file=f"{n}.onnx", backend=n, inputs=SPECS, outputs=SPECS) for n in names]
    graph = FallbackGraph("model/vision", forms, opener, patience)
    told: list[Replaced] = []
    graph.tell(told.append)
    return graph, told, opened


def value(graph: FallbackGraph) -> float:
    return float(graph.run(FEEDS)["x"][0])


def test_while_nothing_fails_nothing_else_is_opened() -> None:
    graph, told, opened = made(gives(1), gives(2))
    assert [value(graph), value(graph)] == [1, 1]
    assert (graph.backend, told, opened) == ("one", [], ["one"])


@pytest.mark.parametrize(
    ("bad", "cause"),
    [(Fake(raises), "one.onnx: one failed: out of memory"), (gives(float("nan")), "one gives NaN")],
    ids=["raises", "NaN"],
)
def test_a_backend_that_fails_is_replaced_within_the_same_run_and_for_good(bad: Fake, cause: str) -> None:
    graph, told, _ = made(bad, gives(2))
    assert [value(graph), value(graph)] == [2, 2]
    assert told == [Replaced("model/vision", "two", "one", cause)]
    assert graph.backend == "two"


def test_a_backend_that_hangs_is_left_behind(hanging: Hanging) -> None:
    graph, told, _ = made(hanging, gives(2), patience=SHORT)
    assert value(graph) == 2
    assert told == [Replaced("model/vision", "two", "one", "one does not return from model/vision")]
    last, _, _ = made(hanging, patience=SHORT)
    for _ in range(2):  # the second time at once: it still hangs
        with pytest.raises(BackendError, match="one does not return from model/vision"):
            last.run(FEEDS)


def test_one_that_hangs_later_is_left_behind_as_well(hanging: Hanging) -> None:
    runs = iter([gives(1)] * 8 + [hanging])
    graph, told, _ = made(Fake(lambda feeds: next(runs).run(feeds)), gives(2), patience=SHORT)
    assert [value(graph) for _ in range(9)] == [1] * 8 + [2]
    assert told == [Replaced("model/vision", "two", "one", "one does not return from model/vision")]


def test_patience_grows_with_what_runs_take_and_is_longest_at_the_first_one() -> None:
    patience = Patience()
    assert [patience.limit_s(longest_s) for longest_s in (None, 0.03, 0.4, 2.0)] == [60.0, 10.0, 10.0, 40.0]


def test_a_graph_whose_runs_are_short_goes_on_without_a_thread() -> None:
    """It would cost it more than it is worth; one that takes long keeps its thread."""

    def on(patience: Patience) -> list[bool]:
        here, threads = threading.current_thread(), []

        def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
            threads.append(threading.current_thread() is here)
            return dict(feeds)

        graph, _, _ = made(Fake(run), patience=patience)
        for _ in range(TRIALS + 2):
            graph.run(FEEDS)
        return threads

    assert on(Patience(guarded_from_s=1000.0)) == [False] * TRIALS + [True] * 2
    assert on(Patience(guarded_from_s=0.0)) == [False] * (TRIALS + 2)


class Seeing:
    """An encoder around one graph."""

    modality = "vision"

    def __init__(self, graph: FallbackGraph) -> None:
        self._graph = graph

    def encode(self, sample: Sample) -> Finding:
        name = str(value(self._graph))
        return Finding("vision", sample.captured_ns, names=(Guess(name, 0.9),))


def test_a_session_replaces_the_thread_of_an_encoder_whose_graph_hangs_and_goes_on(hanging: Hanging) -> None:
    graph, _, _ = made(hanging, gives(2), patience=SHORT)
    parts = Parts({"vision": Seeing(graph)}, None, Workshop(), replaceable={"model/vision": graph})
    camera = synthetic_camera(MonotonicClock(), 20 * NS_PER_MS)
    with Session(parts, [camera]) as session:
        told = []
        for event in session:
            told.append(event)
            if isinstance(event, Percept) and event.scene:
                break
        hanging.let_go.set()  # what was left behind returns, and is of no more account
        assert hanging.thread is not None
        hanging.thread.join(20)
        assert not hanging.thread.is_alive()
        assert {thread.name for thread in threading.enumerate()} >= {"sense-vision"}
    (change,) = [event for event in told if isinstance(event, BackendChanged)]
    assert change.cause == "one does not return from model/vision"
    assert told[-1].scene[0].name == "2.0"


def test_a_run_is_judged_by_looks_and_a_new_one_is_looked_at_anew() -> None:
    lane, looks = Lane(period_s=1.0), [False] * 3

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        looks.extend(lane.look() for _ in range(9))  # the first one sees it for the first time
        return dict(feeds)

    graph, told, _ = made(Fake(run), patience=Patience(first_s=9.0, least_s=9.0))
    threads = threading.active_count()
    with lane:
        for _ in range(3):
            graph.run(FEEDS)
    assert threading.active_count() == threads
    assert (any(looks), told, lane.lost) == (False, [], False)


def test_a_graph_that_nothing_else_executes_fails_instead_of_hanging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hanging: Hanging
) -> None:
    monkeypatch.setattr(fallback, "_installed", lambda name: name == "onnxruntime")
    monkeypatch.setattr(fallback, "open_graph", lambda *_, **__: hanging)
    entry = GraphEntry(file="a.onnx", backend="onnxruntime", inputs=SPECS, outputs=SPECS)
    graph = fallback.Fallbacks(SHORT).open("model/vision", entry, lambda file: tmp_path / file, 1)
    with pytest.raises(BackendError, match="onnxruntime does not return from model/vision"):
        graph.run(FEEDS)


def test_one_that_does_not_open_is_passed_over() -> None:
    graph, told, _ = made(Fake(raises), BackendError("backend two is not installed"), gives(3))
    assert value(graph) == 3
    assert told[0].backend == "three"
    at_first, told, _ = made(BackendError("backend one is not installed"), gives(2))
    assert told == [Replaced("model/vision", "two", "one", "backend one is not installed")]
    assert value(at_first) == 2
    with pytest.raises(BackendError, match="backend one is not installed"):
        made(BackendError("backend one is not installed"), BackendError("nor two"))


def test_an_input_on_which_all_fail_replaces_nothing() -> None:
    graph, told, _ = made(Fake(raises), Fake(raises))
    for _ in range(2):
        with pytest.raises(BackendError, match="out of memory"):
            graph.run(FEEDS)
    assert (graph.backend, told) == ("one", [])


def test_nan_that_was_in_the_input_or_that_all_give_is_the_callers_to_judge() -> None:
    graph, told, _ = made(Fake(dict), gives(2))
    assert np.isnan(graph.run({"x": np.array([np.nan], np.float32)})["x"])
    everywhere, _, _ = made(gives(float("nan")), gives(float("nan")))
    assert np.isnan(value(everywhere))
    assert told == []


def test_the_thread_of_a_graph_ends_with_it() -> None:
    graph, _, _ = made(gives(1), gives(2), patience=Patience(guarded_from_s=0))
    value(graph)
    (thread,) = [t for t in threading.enumerate() if t.name == "graph model/vision" and t.is_alive()][-1:]
    del graph
    thread.join(20.0)
    assert not thread.is_alive()


def test_what_stands_in_is_the_bundles_fallback_and_who_else_reads_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def backends(entry: GraphEntry) -> list[tuple[str, str]]:
        return [(form.backend, form.file) for form in forms_of(entry)]

    monkeypatch.setattr(fallback, "_installed", lambda name: name in ("onnxruntime", "openvino"))
    onnx = GraphEntry(file="a.onnx", backend="onnxruntime", inputs=SPECS, outputs=SPECS)
    lite = GraphEntry(file="a.tflite", backend="litert", inputs=SPECS, outputs=SPECS)
    spare = FallbackEntry(file="b.onnx", backend="onnxruntime", precision="int8-dynamic")
    assert backends(onnx) == [("onnxruntime", "a.onnx"), ("openvino", "a.onnx")]
    assert backends(lite) == [("litert", "a.tflite")]
    assert backends(lite.model_copy(update={"fallback": spare})) == [
        ("litert", "a.tflite"),
        ("onnxruntime", "b.onnx"),
        ("openvino", "b.onnx"),
    ]
    monkeypatch.setattr(fallback, "_installed", lambda name: name == "onnxruntime")
    assert backends(onnx) == [("onnxruntime", "a.onnx")]


def test_a_graph_that_nothing_else_executes_is_opened_bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback, "_installed", lambda name: name == "onnxruntime")
    write_bundle(tmp_path)
    with Bundle(tmp_path) as bundle:
        parts = assemble(bundle, threads=1)
    assert parts.replaceable == {}
    assert parts.backends == {f"colours/{name}": "onnxruntime" for name in ("vision", "audio", "fusion")}


def test_a_session_goes_on_with_the_next_backend_says_so_and_is_replayed_to_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    write_bundle(tmp_path)

    def opened() -> "tuple[Run, Mapping[str, FallbackGraph]]":
        with Bundle(tmp_path) as bundle:
            parts = assemble(bundle, threads=1)
        return Run(parts), parts.replaceable

    run, graphs = opened()
    graphs["colours/vision"].tell(run.step)
    run.see(picture(), 5)
    before = run.percept()
    graphs["colours/vision"]._opened[0] = "onnxruntime lost its device"
    run.see(picture((0, 250, 0)), 5)
    after = run.percept()
    assert "colours/vision" not in before.backends
    assert after.backends["colours/vision"] == "openvino"
    (change,) = [event for event in run.told if isinstance(event, BackendChanged)]
    assert (change.graph, change.backend, change.previous) == ("colours/vision", "openvino", "onnxruntime")
    assert change.cause == "onnxruntime lost its device"
    assert after.candidates[0].text == "green"
    again, fresh = opened()
    told = [to_json(event) for event in replay(run.settings, run.taken, again.parts)]
    assert told == [to_json(event) for event in run.told]
    assert fresh["colours/vision"].backend == "openvino"
    assert isinstance(run.told[-1], Percept)


def test_a_recording_that_needs_a_backend_which_is_not_here_is_told(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    with Bundle(tmp_path) as bundle:
        parts = assemble(bundle, threads=1)
    graph, _, _ = made(gives(1), BackendError("backend two is not installed"))
    object.__setattr__(parts, "replaceable", {"model/vision": graph})
    step = Taken(0, message=describe(Replaced("model/vision", "two", "one", "it hangs")))
    with pytest.raises(RecordingError, match="model/vision executed by two: backend two is not installed"):
        list(replay(Run(parts).settings, [step], parts))
