"""What ships with Sensorium compiles on a machine that has no data."""

import json
from pathlib import Path

import pytest

from sensorium.bundle import Bundle
from sensorium_compile import checkpoint
from sensorium_compile.pipeline import Budget, Job, compile_model
from sensorium_compile.recipe import recipe_text
from sensorium_compile.stages import Stages
from sensorium_compile.zoo import Weights


def test_keypad_compiles_from_its_checkpoint_and_carries_the_figures_of_its_very_bytes(tmp_path: Path) -> None:
    folder = checkpoint.shipped("keypad")
    if folder is None:
        pytest.skip("no checkpoint of keypad ships yet")
    job = Job(recipe_text("keypad"), "keypad", "x86-cpu", backends=("onnxruntime",))
    made = compile_model(job, tmp_path / "keypad", Budget(), Weights(), Stages(tmp_path / "cache"))
    with Bundle(made.out, target="any") as bundle:
        assert set(bundle.part("model").entry.graphs) == {"vision", "audio", "fusion"}
    report = json.loads((made.out / "report.json").read_text())
    assert set(report["student"]["subsets"]) == {"vision", "audio", "vision+audio"}
    assert report["figures"]["speedup_vs_teacher_ort_fp32"] > 1
    record = checkpoint.read_record(folder)
    student = record.subsets["student"]
    for row in report["candidates"]:
        if row["passed"] and row["subsets"]:  # the recorded figures, for graphs with the recorded bytes
            for subset, told in row["subsets"].items():
                assert student[subset].accuracy - told["accuracy"] <= 0.01


def test_every_file_of_a_shipped_checkpoint_is_small_enough_for_a_repository() -> None:
    folder = checkpoint.shipped("keypad")
    if folder is None:
        pytest.skip("no checkpoint of keypad ships yet")
    assert all(path.stat().st_size <= checkpoint.MOST_BYTES for path in folder.iterdir())
