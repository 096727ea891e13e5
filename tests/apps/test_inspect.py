import json
from pathlib import Path

import pytest
from tests.compile import tiny_model
from tests.compile.report_example import example
from tests.compile.tiny import tiny_part
from typer.testing import CliRunner, Result

from sensorium.bundle import Origin
from sensorium.bundle.loaded import host_target
from sensorium_apps.app import app
from sensorium_compile.draft import GraphDraft
from sensorium_compile.pack import pack
from sensorium_compile.report import write_report

runner = CliRunner()


def run(*arguments: object) -> Result:
    return runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    pack("tiny", host_target(), {"model": tiny_model.part()}, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_bundle_is_told_with_graphs_backends_hashes_and_licences(bundle: Path) -> None:
    result = run("inspect", bundle)
    assert result.exit_code == 0
    for told in ("tiny for", "vision", "onnxruntime", "float32", "Apache-2.0", "sha256 of its manifest"):
        assert told in result.stdout


def test_a_report_beside_the_manifest_is_told_too(bundle: Path) -> None:
    write_report(example(), bundle)
    shown = run("inspect", bundle).stdout
    for told in ("vision+audio", "98.3% (97.0-99.6)", "86.3 points", "costs 2.1 points in vision", "ships"):
        assert told in shown
    told = json.loads(run("inspect", bundle, "--json").stdout)
    assert told["stages"]["shipped"]["subsets"]["audio"]["accuracy"] == 0.983
    assert told["figures"]["size_ratio"] == 0.0375
    assert told["parts"]["model"]["graphs"]["fusion"]["inputs"]["presence"] == "float32 [1, 2]"


def test_a_zip_and_a_report_beside_it_are_told(tmp_path: Path) -> None:
    pack("tiny", host_target(), {"model": tiny_model.part()}, tmp_path / "tiny.zip")
    assert json.loads(run("inspect", tmp_path / "tiny.zip", "--json").stdout)["stages"] == {}
    (tmp_path / "tiny.report.json").write_text(example().model_dump_json())
    assert json.loads(run("inspect", tmp_path / "tiny.zip", "--json").stdout)["figures"]


def test_a_bundle_of_another_target_can_be_looked_at(tmp_path: Path) -> None:
    pack("tiny", "hexagon-v79", {"model": tiny_model.part()}, tmp_path / "tiny")
    result = run("inspect", tmp_path / "tiny")
    assert result.exit_code == 0
    assert "tiny for hexagon-v79" in result.stdout


def test_a_bundle_that_was_compiled_here_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    pack("tiny", host_target(), {"adder": tiny_part()}, tmp_path / "bundles" / "tiny")
    assert run("inspect", "tiny").exit_code == 0
    missing = run("inspect", "other")
    assert missing.exit_code == 1
    assert missing.stderr.startswith("error: no bundle at other")


def test_a_damaged_report_is_one_line(bundle: Path) -> None:
    (bundle / "report.json").write_text("{}")
    result = run("inspect", bundle)
    assert result.exit_code == 1
    assert "report.json: name: Field required" in result.stderr
    assert result.stderr.count("\n") == 1


def test_two_equal_bundles_are_the_same(bundle: Path) -> None:
    assert "are the same, byte for byte" in run("compare", bundle, bundle).stdout
    told = json.loads(run("compare", bundle, bundle, "--json").stdout)
    assert told["same"]
    assert told["parts_changed"] == {}


def test_what_changed_is_told(bundle: Path, tmp_path: Path) -> None:
    graphs = {name: GraphDraft(tiny_model.model(name)) for name in tiny_model.SPECS}
    graphs["audio"] = GraphDraft(tiny_model.model("audio"), precision="int8-dynamic")
    config = {**tiny_model.CONFIG.model_dump(mode="json"), "answers": True}
    other = tiny_model.part(graphs=graphs, config=config, origins=())
    pack("tiny", host_target(), {"model": other, "adder": tiny_part()}, tmp_path / "other")
    report = example()
    assert report.shipped is not None
    write_report(report, bundle)
    slower = report.shipped.model_copy(update={"ms": 4.2})
    write_report(report.model_copy(update={"shipped": slower}), tmp_path / "other")
    shown = run("compare", bundle, tmp_path / "other").stdout
    for told in (
        "+ part adder",
        "~ graph model/audio: precision float32 -> int8-dynamic",
        "~ config model.answers: false -> true",
        "2.00x",
        "+0.0 points",
    ):
        assert told in shown
    told = json.loads(run("compare", bundle, tmp_path / "other", "--json").stdout)
    assert told["ms"] == [2.1, 4.2]
    assert told["subsets"]["audio"] == {"accuracy": [0.983, 0.983], "points": 0.0, "intervals_apart": False}


def test_bundles_without_reports_are_compared_too(bundle: Path, tmp_path: Path) -> None:
    pack("other", host_target(), {"adder": tiny_part()}, tmp_path / "other")
    shown = run("compare", bundle, tmp_path / "other").stdout
    assert "- part model" in shown
    assert "+ part adder" in shown


def test_brackets_in_names_are_text_and_no_markup(tmp_path: Path) -> None:
    origin = Origin(package="[/bold] [red]x", file="f", sha256="0" * 64, licence="MIT")
    pack("tiny", host_target(), {"model": tiny_model.part(origins=(origin,))}, tmp_path / "tiny")
    assert "[/bold] [red]x" in run("inspect", tmp_path / "tiny").stdout
