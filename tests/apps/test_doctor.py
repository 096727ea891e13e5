import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from sensorium.bundle import Bundle
from sensorium.bundle.loaded import host_target
from sensorium_apps.doctor import Status, examine
from sensorium_apps.doctor.checks import bundles, folder_finding
from sensorium_apps.doctor.golden import by_graph, difference, golden_findings
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.pack import pack


def doubling(golden: np.ndarray) -> PartDraft:
    """A part whose graph doubles its input."""
    shape = list(golden.shape)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    stream = io.BytesIO()
    onnx.save(model, stream)
    return PartDraft("doubler", {"model": GraphDraft(stream.getvalue(), golden={"one": {"x": golden}})})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    pack("tiny", host_target(), {"doubler": doubling(np.array([1.0, -2.0], np.float32))}, folder)
    return folder


def test_every_finding_that_is_not_ok_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    findings = list(examine(None))
    assert {"python", "numpy", "extra camera", "cameras", "display", "folder of weights", "bundle"} <= {
        finding.what for finding in findings
    }
    assert all(bool(finding.advice) == (finding.status is not Status.OK) for finding in findings)


def test_a_missing_bundle_fails_with_the_commands_that_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    (finding,) = bundles(None)
    assert finding.status is Status.FAIL
    assert "sensorium compile companion" in finding.advice


def test_a_good_bundle_passes_graph_by_graph(bundle: Path) -> None:
    found, graph = bundles(bundle)
    assert (found.status, graph.status) == (Status.OK, Status.OK)
    assert graph.what == "graph doubler/model"


def test_a_graph_that_computes_something_else_fails(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Bundle(bundle) as opened:
        golden = opened.golden()
        golden["doubler/model/one/out/y"] = np.array([-2.0, 4.0], np.float32)
        monkeypatch.setattr(opened, "golden", lambda: golden)
        (finding,) = golden_findings(opened)
    assert finding.status is Status.FAIL


def test_golden_tensors_are_sorted_by_graph_and_case() -> None:
    x, y = np.zeros(1), np.ones(1)
    sorted_out = by_graph({"vad/model/a/in/x": x, "vad/model/a/out/y": y, "vad/model/b/in/x": y})
    assert sorted_out == {("vad", "model"): {"a": {"in": {"x": x}, "out": {"y": y}}, "b": {"in": {"x": y}, "out": {}}}}


@pytest.mark.parametrize(
    ("given", "expected", "share"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([3.0, 4.5], [3.0, 4.0], 0.1),
        ([float("nan"), 4.0], [3.0, 4.0], float("inf")),
        ([3.0], [3.0, 4.0], float("inf")),
        ([0.25], [0.0], 0.25),
    ],
)
def test_difference_is_a_share_of_the_expected_size(given: list[float], expected: list[float], share: float) -> None:
    assert difference(np.array(given), np.array(expected)) == pytest.approx(share)


def test_a_full_disk_fails_and_a_small_one_warns(tmp_path: Path) -> None:
    states = [folder_finding("cache", tmp_path / "not" / "there", mb).status for mb in (10, 500, 50_000)]
    assert states == [Status.FAIL, Status.WARN, Status.OK]
