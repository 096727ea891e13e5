"""What every backend must do with a graph: open it from a file or from bytes, run it, and tell what is wrong."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.backends import Graph, backend_names, open_graph
from sensorium.bundle import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower import Calibration, Exportable, backends, lower, missing

HERE = [backend for backend in backends() if missing(backend) is None]
FEEDS = {"left": np.array([[1, 2, 3]], np.float32), "index": np.array([[2, 0]], np.int64)}


class Two(nn.Module):
    """Two inputs of different types, two outputs of different shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.arange(12.0).reshape(4, 3))

    def forward(self, left: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.table(index)  # (1, 2, 3)
        return left - rows.sum(1), rows * 2


@pytest.fixture(scope="module")
def drafts() -> dict[str, GraphDraft]:
    given = {name: torch.from_numpy(value) for name, value in FEEDS.items()}
    graph = Exportable("two", Two().eval(), given, ("difference", "double"))
    return {backend: lower(backend, graph, "float32", Calibration()) for backend in HERE}


def entry(draft: GraphDraft) -> GraphEntry:
    return GraphEntry(file=f"two{draft.suffix}", backend=draft.backend, inputs=draft.inputs, outputs=draft.outputs)


def check(graph: Graph) -> None:
    out = graph.run(FEEDS)
    np.testing.assert_allclose(out["difference"], [[-5, -6, -7]])
    np.testing.assert_allclose(out["double"], [[[12, 14, 16], [0, 2, 4]]])
    assert [out[spec.name].dtype.name for spec in graph.outputs] == ["float32", "float32"]


@pytest.mark.parametrize("backend", HERE)
def test_a_file_and_its_bytes_open_alike(backend: str, drafts: dict[str, GraphDraft], tmp_path: Path) -> None:
    draft = drafts[backend]
    path = tmp_path / f"two{draft.suffix}"
    path.write_bytes(draft.model)
    for model in (path, draft.model):
        for threads in (0, 1, 2):
            check(open_graph(entry(draft), model, threads=threads))


@pytest.mark.parametrize("backend", HERE)
def test_an_opened_graph_outlives_the_bytes_it_came_from(backend: str, drafts: dict[str, GraphDraft]) -> None:
    draft = drafts[backend]
    graphs = [open_graph(entry(draft), bytes(bytearray(draft.model)), threads=1) for _ in range(3)]
    gc.collect()
    trash = [os.urandom(len(draft.model)) for _ in range(50)]
    for graph in graphs:
        check(graph)
    assert trash


@pytest.mark.parametrize("backend", HERE)
def test_outputs_are_not_overwritten_by_the_next_run(backend: str, drafts: dict[str, GraphDraft]) -> None:
    graph = open_graph(entry(drafts[backend]), drafts[backend].model, threads=1)
    first = graph.run(FEEDS)
    kept = first["difference"].copy()
    graph.run(FEEDS | {"left": np.array([[9, 9, 9]], np.float32)})
    np.testing.assert_array_equal(first["difference"], kept)


@pytest.mark.parametrize("backend", HERE)
def test_what_is_no_graph_is_refused(backend: str, drafts: dict[str, GraphDraft], tmp_path: Path) -> None:
    path = tmp_path / "nonsense"
    path.write_bytes(b"nonsense" * 100)
    for model in (b"nonsense" * 100, path, tmp_path / "absent"):
        with pytest.raises(BackendError, match=rf"two\.\w+: {backend} refuses it: .+"):
            open_graph(entry(drafts[backend]), model, threads=1)


@pytest.mark.parametrize("backend", HERE)
def test_a_wrong_shape_and_a_missing_input_are_told(backend: str, drafts: dict[str, GraphDraft]) -> None:
    graph = open_graph(entry(drafts[backend]), drafts[backend].model, threads=1)
    for feeds in (FEEDS | {"left": np.zeros((1, 7), np.float32)}, {"left": FEEDS["left"]}):
        with pytest.raises(BackendError, match=rf"two\.\w+: {backend} failed: .+"):
            graph.run(feeds)
    check(graph)  # and it goes on


@pytest.mark.parametrize("backend", HERE)
def test_an_output_that_the_graph_does_not_have_is_told(backend: str, drafts: dict[str, GraphDraft]) -> None:
    third = TensorSpec(name="third", dtype="float32", shape=(1,))
    declared = entry(drafts[backend]).model_copy(update={"outputs": (*drafts[backend].outputs, third)})
    with pytest.raises(BackendError):
        open_graph(declared, drafts[backend].model, threads=1).run(FEEDS)


def test_a_backend_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sensorium.backends.openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    declared = GraphEntry(file="a.onnx", backend="openvino", inputs=(), outputs=())
    with pytest.raises(BackendError, match="backend openvino is not installed"):
        open_graph(declared, b"")
    with pytest.raises(BackendError, match="no backend 'nothing'; known: "):
        open_graph(declared.model_copy(update={"backend": "nothing"}), b"")


@pytest.mark.skipif("openvino" not in HERE, reason="openvino is not installed")
def test_opening_openvino_starts_no_process_that_tells_others() -> None:
    code = (
        "import os, sys; os.register_at_fork(before=lambda: sys.exit('forked'))\n"
        "import sensorium.backends.openvino\n"
        "assert 'openvino_telemetry' not in sys.modules"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.skipif("litert" not in HERE, reason="litert is not installed")
def test_places_of_a_signature_go_by_number() -> None:
    from sensorium.backends.litert import in_order

    assert in_order(["args_10", "args_2", "args_0"]) == ["args_0", "args_2", "args_10"]


def test_the_runtime_knows_more_than_it_imports() -> None:
    code = (
        "import sys, sensorium.backends as b; b.backend_names()\n"
        "print(sorted({'torch', 'openvino', 'ai_edge_litert', 'executorch'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"
    assert {"executorch", "litert", "onnxruntime", "openvino"} <= set(backend_names())
