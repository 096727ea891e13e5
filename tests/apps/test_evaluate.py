import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.compile import tiny_model
from tests.compile.tiny import tiny_part
from typer.testing import CliRunner, Result

from sensorium.bundle.loaded import host_target
from sensorium_apps.app import app
from sensorium_compile.pack import pack

runner = CliRunner()


def run(*arguments: object) -> Result:
    return runner.invoke(app, ["evaluate", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluate")
    pack("tiny", host_target(), {"model": tiny_model.part()}, made / "tiny")
    tiny_model.write_data(made / "data")
    return made


def test_every_subset_is_measured_with_its_interval(folder: Path, tmp_path: Path) -> None:
    result = run(folder / "tiny", "--data", folder / "data", "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.stderr
    told = json.loads((tmp_path / "out.json").read_text())
    assert list(told["subsets"]) == ["vision", "audio", "vision+audio"]
    assert told["subsets"]["vision"]["accuracy"] == 0.75, "every fourth picture shows another class"
    assert told["subsets"]["audio"]["accuracy"] == pytest.approx(2 / 3)
    for row in told["subsets"].values():
        assert set(row) == {"accuracy", "low", "high", "n"}
        assert row["low"] < row["accuracy"] < row["high"]
        assert row["n"] == 36
    assert set(told["contributions"]) == {"vision", "audio"}
    assert told["not_measured"] == []
    assert "vision+audio" in result.stdout


def test_the_same_run_gives_the_same_figures(folder: Path) -> None:
    first, second = (run(folder / "tiny", "--data", folder / "data", "--json", "-").stdout for _ in range(2))
    assert json.loads(first) == json.loads(second)


def test_a_missing_sense_leaves_its_subsets_out_and_says_so(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data" / "sounds", tmp_path / "data" / "sounds")
    result = run(folder / "tiny", "--data", tmp_path / "data", "--json", "-")
    assert result.exit_code == 0
    assert "note: vision is left out: " in result.stderr
    assert "pictures" in result.stderr
    told = json.loads(result.stdout)
    assert list(told["subsets"]) == ["audio"]
    assert told["not_measured"] == ["vision", "vision+audio"]


@pytest.mark.parametrize("data", ["nothing", "empty"])
def test_a_folder_with_nothing_in_it_is_one_line(folder: Path, tmp_path: Path, data: str) -> None:
    (tmp_path / "empty").mkdir()
    result = run(folder / "tiny", "--data", tmp_path / data)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "pictures" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bundle_without_a_learned_model_says_what_has_one(tmp_path: Path) -> None:
    pack("adder", host_target(), {"adder": tiny_part()}, tmp_path / "adder")
    result = run(tmp_path / "adder", "--data", tmp_path)
    assert result.exit_code == 1
    assert "has no learned model (a part of role model), only adder; compile one" in result.stderr


def test_a_model_without_its_recipe_is_told(tmp_path: Path) -> None:
    pack("bare", host_target(), {"model": tiny_model.part(files={})}, tmp_path / "bare")
    result = run(tmp_path / "bare", "--data", tmp_path)
    assert result.exit_code == 1
    assert "carries no recipe" in result.stderr


def test_the_hard_protocol_fills_its_table(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, length in (("noise", 32_000), ("RIRs", 1_600)):
        (tmp_path / name).mkdir()
        decay = np.exp(-np.arange(length) / 200) if name == "RIRs" else 1.0
        soundfile.write(tmp_path / name / "one.flac", rng.uniform(-0.3, 0.3, length) * decay, 16_000)
    result = run(folder / "tiny", "--data", folder / "data", "--hard", tmp_path, "--json", tmp_path / "out.json")
    assert result.exit_code == 0, result.stderr
    told = json.loads((tmp_path / "out.json").read_text())
    assert len(told["hard"]) == 43
    clean = told["hard"]["clean/clean/both"]
    assert clean["accuracy"] == told["subsets"]["vision+audio"]["accuracy"]
    assert told["hard"]["absent/clean/vision"]["accuracy"] == told["subsets"]["vision"]["accuracy"]
    assert "independent" in result.stdout


def test_torch_is_not_needed(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from sensorium_apps.app import app\n"
        f"app(['evaluate', {str(folder / 'tiny')!r}, '--data', {str(folder / 'data')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
