"""A sense that Sensorium does not know, added by a package of its own: read, taught, compiled, and measured."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium.bundle import Bundle
from sensorium.inputs import ReadingsInput
from sensorium_compile.data.load import load_data
from sensorium_compile.data.readers import Options, find_reader
from sensorium_compile.errors import CompileError
from sensorium_compile.pipeline import Budget, Job, compile_model
from sensorium_compile.recipe import ModelRecipe, load_recipe
from sensorium_compile.stages import Stages
from sensorium_compile.towers import build_tower
from sensorium_compile.verify.opened import OpenedModel
from sensorium_compile.zoo import Weights

PLUGIN = Path(__file__).parents[1] / "plugins" / "nose"
HEADER = "NO2,C2H5OH,VOC,CO,Alcohol,LPG,Benzene,Temperature,Pressure,Humidity,Gas_Resistance,Altitude"
SPEC = ReadingsInput(channels=6, window=32, period_ms=1000)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package were installed."""
    torch.set_num_threads(1)
    monkeypatch.syspath_prepend(str(PLUGIN))
    load_recipe(str(PLUGIN / "sensorium_nose" / "nose.toml"))


def write_session(path: Path, level: float, seed: int, rows: int = 80) -> None:
    rng = np.random.default_rng(seed)
    gas = level * np.exp(rng.normal(0, 0.01, (rows, 6)))
    rest = np.column_stack([np.full(rows, 4294967295.0), np.zeros((rows, 5))])
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.column_stack([gas, rest]), fmt="%.2f", delimiter=",", header=HEADER, comments="")


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    for label, level in (("mint", 50.0), ("garlic", 400.0)):
        for number in range(3):
            write_session(tmp_path / "offline_testing" / label / f"{label}.{number}.csv", level, number)
    return tmp_path


def test_sessions_are_read_by_substance_and_numbered_within_it(sessions: Path) -> None:
    pool = find_reader("gas_sessions")(sessions, SPEC, ("garlic", "mint", "tea"), Options({"stride": 16}))
    assert pool.samples.shape == (2 * 3 * 4, 32, 6)
    assert pool.labels.tolist() == [0] * 12 + [1] * 12
    assert sorted(set(pool.groups)) == ["session0", "session1", "session2"]


def test_a_folder_without_sessions_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="SUBSTANCE/SESSION"):
        find_reader("gas_sessions")(tmp_path, SPEC, ("mint",), Options())


def test_channels_must_be_as_many_as_the_input_has(sessions: Path) -> None:
    with pytest.raises(CompileError, match="6 channels, the reader VOC, CO"):
        find_reader("gas_sessions")(sessions, SPEC, ("mint",), Options({"channels": ["VOC", "CO"]}))


def test_levels_drift_only_while_they_are_taught() -> None:
    tower = build_tower("gas_levels", SPEC, {"width": 8, "tokens": 2, "dropout": 0.0})
    readings = torch.rand(3, 32, 6) * 500
    tower.fit_statistics(readings)
    assert not torch.equal(tower.train()(readings), tower(readings))
    assert torch.equal(tower.eval()(readings), tower(readings))
    assert tower(readings).shape == (3, 2, 8)


def test_a_fault_of_a_sensor_is_no_level() -> None:
    tower = build_tower("gas_levels", SPEC, {"width": 8}).eval()
    readings = torch.full((1, 32, 6), 4294967295.0)
    readings[:, :, 0] = -1.0
    assert torch.isfinite(tower(readings)).all()


def test_tokens_that_do_not_divide_the_window_are_refused() -> None:
    with pytest.raises(CompileError, match="do not divide a window of 32"):
        build_tower("gas_levels", SPEC, {"tokens": 5})


def test_the_recipe_keeps_a_session_of_every_substance_apart(tmp_path: Path) -> None:
    recipe = load_recipe(str(PLUGIN / "sensorium_nose" / "nose.toml"))
    assert isinstance(recipe, ModelRecipe)
    for index, label in enumerate(recipe.head.labels):
        for number in range(5):
            file = tmp_path / "smellnet" / label / f"{label}.{number}.csv"
            write_session(file, 20.0 * (index + 1), 5 * index + number, rows=256)
    data = load_data(recipe, tmp_path)
    assert sorted(data.test.labels.tolist()) == list(range(50))
    assert set(data.test.pools["nose"].groups) == {"session4"}


def test_the_plugins_checkpoint_compiles_without_any_data_and_answers(tmp_path: Path) -> None:
    job = Job((PLUGIN / "sensorium_nose" / "nose.toml").read_text(), "nose", "x86-cpu", backends=("onnxruntime",))
    made = compile_model(job, tmp_path / "nose", Budget(), Weights(), Stages(tmp_path / "cache"))
    with Bundle(made.out, target="any") as bundle:
        part = bundle.part("model")
        assert set(part.entry.graphs) == {"nose", "fusion"}
        model = OpenedModel.of_part(part)
        tokens = model.encode("nose", np.full((1, 256, 6), 200, np.float32))
        assert model.fuse({"nose": tokens}, (True,))["substance"].shape == (1, 50)


def test_no_source_of_the_runtime_or_the_compiler_knows_of_smell() -> None:
    root = Path(__file__).parents[2]
    for package in ("edge", "compile", "devices", "apps"):
        for path in (root / package).rglob("*.py"):
            assert "sensorium_nose" not in path.read_text(), path
            assert "smellnet" not in path.read_text().lower(), path
