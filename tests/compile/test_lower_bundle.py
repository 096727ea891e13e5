"""Graphs of every backend in one bundle: the same bytes wherever it is made, and it runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.bundle import Bundle, TensorSpec
from sensorium.bundle.loaded import host_target
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable, backends, lower, missing
from sensorium_compile.pack import pack

ROOT = Path(__file__).parents[2]
HERE = tuple(backend for backend in backends() if missing(backend) is None)


class Tiny(nn.Module):
    """A convolution and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, 2, 1)
        self.linear = nn.Linear(8, 5)

    def forward(self, sample: Tensor) -> Tensor:
        return self.linear(self.convolution(sample).relu().mean((2, 3)))


def make(out: Path) -> str:
    """A bundle with one graph of each backend; gives the sha256 of its manifest."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    feeds = [{"sample": rng.standard_normal((1, 3, 12, 12)).astype(np.float32)} for _ in range(8)]
    graph = Exportable("tiny", Tiny().eval(), {"sample": torch.from_numpy(feeds[0]["sample"])}, ("logits",))
    calibration = Calibration({"tiny": feeds})
    drafts = {backend: lower(backend, graph, "int8-static", calibration) for backend in HERE}
    pack("tiny", host_target(), {name: PartDraft("model", {"tiny": draft}) for name, draft in drafts.items()}, out)
    with Bundle(out) as bundle:
        return bundle.digest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("bundle") / "tiny.bundle"
    make(out)
    return out


def test_another_process_checkout_and_number_of_threads_give_the_same_hash(bundle: Path, tmp_path: Path) -> None:
    for part in ("edge", "compile", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys, tests.compile.test_lower_bundle as t; print(t.make(t.Path(sys.argv[1])))"
    paths = os.pathsep.join(str(tmp_path / part) for part in ("edge", "compile", "."))
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "elsewhere.zip")],
        env=os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2", "PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with Bundle(bundle) as here:
        assert made.stdout.split()[-1] == here.digest


@pytest.mark.parametrize("backend", HERE)
def test_a_packed_graph_gives_its_golden_outputs_again(bundle: Path, backend: str) -> None:
    with Bundle(bundle) as opened:
        golden = opened.golden()
        graph = opened.part(backend).graph("tiny", threads=1)
    out = graph.run({"sample": golden[f"{backend}/tiny/example/in/sample"]})
    np.testing.assert_array_equal(out["logits"], golden[f"{backend}/tiny/example/out/logits"])
    assert graph.outputs == (TensorSpec(name="logits", dtype="float32", shape=(1, 5)),)


def test_the_manifest_tells_the_tools_of_the_backends_used(bundle: Path) -> None:
    with Bundle(bundle) as opened:
        tools = opened.manifest.tools
    assert {"numpy", "onnx", "onnxruntime", "torch", "python"} <= set(tools)
    assert ("openvino" in tools) == ("openvino" in HERE)


def test_what_should_be_told_of_a_graph_is_in_the_manifest(bundle: Path, tmp_path: Path) -> None:
    with Bundle(bundle) as opened:
        part = opened.part("onnxruntime").entry.graphs["tiny"]
        draft = GraphDraft(opened.read(part.file), notes=("an operator fell back",))
    pack("told", host_target(), {"model": PartDraft("model", {"tiny": draft})}, tmp_path / "told")
    with Bundle(tmp_path / "told") as opened:
        assert opened.manifest.notes == ("model/tiny: an operator fell back",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backend": "litert"}, "litert"),
        ({"outputs": (TensorSpec(name="logits", dtype="float32", shape=(1, 6)),)}, r"declared: float32 \(1, 6\)"),
        ({"model": b"nonsense"}, "does not run on its golden inputs: .*onnxruntime refuses it"),
    ],
)
def test_a_graph_that_is_not_what_it_declares_is_refused(
    bundle: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    sample = np.zeros((1, 3, 12, 12), np.float32)
    with Bundle(bundle) as opened:
        entry = opened.part("onnxruntime").entry.graphs["tiny"]
        given = {
            "model": opened.read(entry.file),
            "inputs": entry.inputs,
            "outputs": entry.outputs,
            "golden": {"zero": {"sample": sample}},
        }
    draft = GraphDraft(**(given | changes))
    with pytest.raises(CompileError, match=message):
        pack("odd", host_target(), {"model": PartDraft("model", {"tiny": draft})}, tmp_path / "odd")
