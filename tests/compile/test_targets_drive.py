"""A model for several chips: predicted, refused or lowered, judged for every subset of senses, packed, in a table."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.compile.tiny_model import write_data
from tests.compile.tiny_recipe import TEXT

from sensorium.bundle import Bundle
from sensorium.engines import CACHE_VARIABLE
from sensorium.errors import BundleError
from sensorium.first_load import first_load
from sensorium_compile import bench
from sensorium_compile.lower import Calibration, lower
from sensorium_compile.lower.candidates import Lowering
from sensorium_compile.material import find_material
from sensorium_compile.pipeline import Job
from sensorium_compile.report import JSON_NAME, parse_report
from sensorium_compile.stages import Stages
from sensorium_compile.targets import Placement, jetson
from sensorium_compile.targets.compiling import Compiling
from sensorium_compile.targets.npu_graph import npu_graph
from sensorium_compile.targets.qnn_graph import quantized
from sensorium_compile.targets.ranges import record_ranges
from sensorium_compile.targets.source import sources_of
from sensorium_compile.targets.table import TargetRow
from sensorium_compile.variants import variant_material
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

ORIN = Target.parse("jetson-orin-nano")
NARROW = """
[variants.narrow]
inputs = { vision = { height = 12, width = 12 } }
towers = { vision = { channels = [4] } }
steps = 4
"""
SUBSETS = {"vision", "audio", "vision+audio"}


@pytest.fixture(scope="module")
def compiling(tmp_path_factory: pytest.TempPathFactory) -> Compiling:
    """A tiny student, taught once, with data to judge its forms by."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tiny")
    write_data(folder / "data")
    text = TEXT + "\n[gate]\nmax_drop = 100\nmin_agreement = 0\nmin_cosine = 0\n"
    job = Job(text, "tiny.toml", "all", folder / "data", retrain=True)  # as the command line asks for every target
    return Compiling(job, Weights(), Stages(folder / "cache"), lambda *_: None)


@pytest.fixture(scope="module")
def bundle(compiling: Compiling, tmp_path_factory: pytest.TempPathFactory) -> tuple[TargetRow, Path]:
    out = tmp_path_factory.mktemp("orin") / "bundle"
    return compiling.one(ORIN, out), out


def test_a_jetson_bundle_holds_both_forms_with_a_golden_case_for_every_subset(bundle: tuple[TargetRow, Path]) -> None:
    row, path = bundle
    assert (row.form, row.status) == ("int8", "linted")
    assert row.on_accelerator == row.operators
    assert row.predicted
    assert row.ms is None
    assert row.worst is not None
    assert row.worst.subset in SUBSETS
    assert row.worst.low <= row.worst.accuracy <= row.worst.high
    with Bundle(path, target="jetson-orin-nano") as opened:
        graphs = opened.manifest.parts["model"].graphs
        assert {graph.backend for graph in graphs.values()} == {"tensorrt"}
        assert {graph.status for graph in graphs.values()} == {"linted"}
        assert {graph.fallback and graph.fallback.precision for graph in graphs.values()} == {"float16"}
        cases = {key.split("/")[2] for key in opened.golden() if key.startswith("model/fusion/")}
        assert cases == SUBSETS
    report = parse_report((path / JSON_NAME).read_bytes(), str(path))
    assert {(graph.status, graph.predicted) for graph in report.graphs} == {("linted", True)}
    assert "linted: onnx" in (path / "report.html").read_text(encoding="utf-8")


def test_it_is_refused_on_a_machine_that_is_no_jetson(bundle: tuple[TargetRow, Path]) -> None:
    if not ORIN.is_here:
        with pytest.raises(BundleError, match="was compiled for jetson-orin-nano"):
            Bundle(bundle[1])


def test_its_first_load_runs_from_end_to_end(
    bundle: tuple[TargetRow, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with Bundle(bundle[1], target="jetson-orin-nano") as opened:
        found = first_load(opened)
    assert set(found) == {"model/vision", "model/audio", "model/fusion"}
    assert min(min(one.cosine.values()) for one in found.values()) > 0.9


def test_every_target_has_a_row_and_says_no_more_than_was_done(compiling: Compiling, tmp_path: Path) -> None:
    names = ("jetson-thor", "ethos-u55", "hexagon-v79")
    rows = {row.target: row for row in compiling.each([Target.parse(name) for name in names], tmp_path)}
    assert rows["jetson-thor"].status == "linted"
    assert (tmp_path / "jetson-thor").is_dir()
    for name in names:
        if "no lowering" in rows[name].note:
            assert (rows[name].status, rows[name].form) == ("exported", "")
            assert not (tmp_path / name).exists()


def test_a_target_whose_tools_are_missing_says_so_and_the_others_go_on(
    compiling: Compiling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "no tools"))
    rows = list(compiling.each([Target.parse("hexagon-v79"), ORIN], tmp_path / "out"))
    assert [row.form for row in rows] == ["", "int8"]
    assert "scripts/npu-tools hexagon installs onnxruntime-qnn" in rows[0].note
    assert (tmp_path / "out/jetson-orin-nano").is_dir()


def test_what_was_finished_before_an_interruption_is_not_done_again(compiling: Compiling, tmp_path: Path) -> None:
    told: list[str] = []

    def interrupted(what: str, done: int, total: int) -> None:
        told.append(what)
        if what.startswith("jetson-thor (2 of 2)"):
            raise KeyboardInterrupt

    targets = [ORIN, Target.parse("jetson-thor")]
    job = replace(compiling.job, text=compiling.job.text + "\n# another run\n")
    again = replace(compiling, job=job, progress=interrupted, stages=Stages(compiling.stages.root))
    with pytest.raises(KeyboardInterrupt):
        list(again.each(targets, tmp_path))
    assert any(what.startswith("jetson-orin-nano (1 of 2): int8: ") for what in told)
    last = replace(again, progress=lambda *_: None, stages=Stages(compiling.stages.root))
    rows = list(last.each(targets, tmp_path))
    assert [row.form for row in rows] == ["int8", "int8"]
    assert last.stages.ran == ["target"]


def test_a_slow_form_that_is_beyond_hope_is_asked_little(compiling: Compiling, monkeypatch: pytest.MonkeyPatch) -> None:
    form = compiling._shop.bench.eager
    few, _ = compiling._shop.bench.few_scored(form)
    monkeypatch.setattr(bench, "HOPELESS", -1.0)
    glance, wanted = compiling._shop.bench.few_scored(form)
    for subset, one in glance.items():
        assert len(one.values) == len(wanted[subset].values) < len(few[subset].values)


def test_what_the_tool_did_is_compared_with_what_was_predicted(compiling: Compiling) -> None:
    outcome = compiling._shop.compile_for(ORIN, lambda *_: None)
    form = outcome.forms[0]
    assert outcome.surprises(form) == ()
    fell = jetson.predict(compiling._shop.sources["vision"], ORIN)
    assert isinstance(fell, Placement)


def test_a_refusal_writes_nothing_and_names_what_to_change(
    compiling: Compiling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operators = ORIN.operator_set
    assert operators is not None
    less = operators.model_copy(update={"supported": {k: v for k, v in operators.supported.items() if k != "Conv"}})
    monkeypatch.setattr(Target, "operator_set", property(lambda _: less))
    row = compiling.one(ORIN, tmp_path / "out")
    assert row.form == ""
    assert "graph vision would gain nothing on jetson-orin-nano" in row.note
    assert "Conv in" in row.note
    assert "write the layer with other operators" in row.note
    assert not (tmp_path / "out").exists()


def test_ranges_that_targets_need_travel_with_a_checkpoint(compiling: Compiling, tmp_path: Path) -> None:
    material = find_material(
        replace(compiling.job, text=f"{compiling.job.text}\n{NARROW}").recipe,
        compiling.job.data,
        None,
        retrain=True,
        weights=compiling.weights,
        stages=Stages(compiling.stages.root),
        progress=lambda *_: None,
    )
    folder = shutil.copytree(material.folder, tmp_path / "checkpoint")
    path = record_ranges(replace(material, folder=folder), Stages(tmp_path / "cache"))
    alone = Calibration.from_json(path.read_text(encoding="utf-8"))  # without a sample
    for source in sources_of(Lowering(material.exportables(), "", alone, Stages(tmp_path)), Stages(tmp_path)).values():
        assert npu_graph(source, "int8").content
        assert "QuantizeLinear" in {node.op_type for node in quantized(source, "int8").graph.node}
    variant = variant_material(replace(material, folder=folder, data=None), "narrow")
    for graph in variant.exportables().values():
        assert lower("onnxruntime", graph, "int8-static", variant.calibration).precision == "int8-static"
