import json
from pathlib import Path

import pytest
from tests.edge.tiny_model import write_bundle
from typer.testing import CliRunner

from sensorium.errors import SensoriumError
from sensorium_apps.app import app
from sensorium_apps.benches.installed import closure, install_mb
from sensorium_apps.benches.startup import probe


def test_startup_tells_figures_floor_spread_and_machine(tmp_path: Path) -> None:
    out = tmp_path / "startup.json"
    result = CliRunner().invoke(app, ["bench", "startup", "--rounds", "1", "--json", str(out)])
    assert result.exit_code == 0
    told = json.loads(out.read_text())
    assert {"figures", "floor", "spread", "machine"} <= told.keys()
    assert told["figures"]["torch_imported"] is False
    assert told["figures"]["rss_mb"] <= 60  # the budget of a runtime without a model
    assert told["figures"]["install_mb"] <= 170  # with its inference engine
    assert "import sensorium" in result.stdout


def test_the_closure_holds_what_is_required_indirectly_and_no_extras() -> None:
    names = closure(("pydantic", "onnxruntime"))
    assert {"pydantic", "pydantic-core", "onnxruntime", "numpy"} <= set(names)
    assert "email-validator" not in names


def test_sizes_are_told_by_distribution() -> None:
    sizes = install_mb()
    assert sizes["numpy"] > 10
    assert 0 < sizes["sensorium"] < 20


def test_an_import_that_fails_is_told_with_its_last_line() -> None:
    with pytest.raises(SensoriumError, match="No module named 'no_such_module'"):
        probe("import no_such_module")


def test_fallback_tells_every_graph_bare_and_replaceable(tmp_path: Path) -> None:
    bundle, out = write_bundle(tmp_path / "bundle"), tmp_path / "fallback.json"
    result = CliRunner().invoke(
        app, ["bench", "fallback", "--bundle", str(bundle), "--rounds", "20", "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())["figures"]
    assert set(figures) == {"colours/vision", "colours/audio", "colours/fusion"}
    assert all(one["bare_ms"] > 0 and one["ratio"] > 0 for one in figures.values())
    assert "colours/vision" in result.stdout
