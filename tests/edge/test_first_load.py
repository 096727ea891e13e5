"""First load of a bundle for an NVIDIA GPU: both forms built, checked on golden inputs, timed, the faster one kept.

Without a GPU the same code runs on the processor, and says so.
"""

import json
import logging
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from sensorium.assemble import assemble
from sensorium.backends import tensorrt
from sensorium.bundle import Bundle, TensorSpec
from sensorium.engines import CACHE_VARIABLE
from sensorium.errors import BackendError
from sensorium.first_load import Loaded, entries, first_load
from sensorium.nvidia import chip, engine_folder
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.pack import pack

SHAPE = (1, 4)
CASES = ("vision", "audio", "vision+audio")
GPU = "CUDAExecutionProvider" in ort.get_available_providers()


@pytest.fixture(autouse=True)
def _engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "engines"))


def _graph(scale: float) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "scale"], ["y"], name="mul")],
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, SHAPE)],
        [numpy_helper.from_array(np.array([scale, 1, 1, 1], np.float32), "scale")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())


def _bundle(folder: Path, spare: float = 1.01, answers: float | None = None) -> Path:
    """One graph in int8 with another in float16 beside it; ``answers``: what golden outputs are multiplied by."""
    specs = (TensorSpec(name="x", dtype="float32", shape=SHAPE),), (TensorSpec(name="y", dtype="float32", shape=SHAPE),)
    golden = {case: {"x": np.full(SHAPE, 1.0 + i, np.float32)} for i, case in enumerate(CASES)}
    told = None if answers is None else {c: {"y": f["x"] * np.float32([answers, 1, 1, 1])} for c, f in golden.items()}
    common = {"backend": "tensorrt", "inputs": specs[0], "outputs": specs[1]}
    draft = GraphDraft(
        _graph(1.0),
        precision="int8",
        golden=golden,
        answers=told,
        fallback=GraphDraft(_graph(spare), precision="float16", **common),  # type: ignore[arg-type]
        **common,  # type: ignore[arg-type]
    )
    out = folder / "bundle"
    pack("tiny", "any", {"model": PartDraft("other", {"model": draft})}, out)
    return out


def test_both_forms_are_tried_on_every_subset_and_the_log_says_what_executed_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("sensorium.first_load")
    monkeypatch.setattr(log, "handlers", [caplog.handler])  # whoever started the command line keeps logs to itself
    monkeypatch.setattr(log, "level", logging.INFO)
    with Bundle(_bundle(tmp_path)) as bundle:
        (loaded,) = first_load(bundle).values()
    assert set(loaded.ms) == set(loaded.cosine) == {"int8", "float16"}
    assert loaded.precision == min(loaded.ms, key=lambda form: loaded.ms[form])
    assert f"{loaded.precision} is kept, on {loaded.provider}" in caplog.text
    assert loaded.provider == "CPU" or GPU
    assert {one.stage for one in loaded.evidence} == (set() if loaded.provider == "CPU" else {"compiled", "measured"})


def test_a_form_that_does_not_give_the_golden_outputs_is_never_kept(tmp_path: Path) -> None:
    with Bundle(_bundle(tmp_path, spare=-9.0)) as bundle:
        (loaded,) = first_load(bundle).values()
    assert loaded.precision == "int8"
    assert "to the golden outputs; at least 0.99" in loaded.refused["float16"]


def test_where_no_form_can_be_trusted_it_is_said(tmp_path: Path) -> None:
    with (
        Bundle(_bundle(tmp_path, answers=-5.0)) as bundle,
        pytest.raises(BackendError, match=r"model/model: no form of it can be trusted here: int8: cosine .*; float16:"),
    ):
        first_load(bundle)


def test_the_second_load_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _bundle(tmp_path)
    with Bundle(path) as bundle:
        before = first_load(bundle)
        monkeypatch.setattr(tensorrt, "open_graph", None)
        assert first_load(bundle) == before


@pytest.mark.parametrize("rubbish", ["", "{", '{"model/model": {"file": 3}}', "[]"])
def test_what_was_kept_and_cannot_be_read_is_found_again(tmp_path: Path, rubbish: str) -> None:
    with Bundle(_bundle(tmp_path)) as bundle:
        first_load(bundle)
        (kept,) = (tmp_path / "engines").glob("*.json")
        kept.write_text(rubbish, encoding="utf-8")
        assert first_load(bundle)
    assert json.loads(kept.read_text(encoding="utf-8"))["model/model"]["file"]


def test_a_session_opens_the_form_that_was_kept(tmp_path: Path) -> None:
    with Bundle(_bundle(tmp_path, spare=1.0)) as bundle:
        (loaded,) = first_load(bundle).values()
        other = Loaded("float16", "model/model-fallback.onnx", "CPU", {}, {}, {}, ())
        assert entries(bundle, {"model/model": other})["model/model"].precision == "float16"
        assert entries(bundle, {"model/model": loaded})["model/model"].file == loaded.file
        assemble(bundle)


def test_an_engine_belongs_to_one_model_on_one_chip() -> None:
    folder = engine_folder("a" * 64)
    assert folder.is_dir()
    assert folder.name.endswith(chip().key)
    assert engine_folder("b" * 64) != folder


def test_int8_is_allowed_to_the_provider_for_int8_graphs_alone() -> None:
    assert "trt_int8_enable" in tensorrt.provider_options("int8", "c" * 64)
    assert "trt_int8_enable" not in tensorrt.provider_options("float16", "c" * 64)
