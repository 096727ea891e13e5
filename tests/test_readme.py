"""The README's code runs and its commands exist."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from sensorium.bundle import Bundle
from sensorium.ladder import KEY, parse_ladder
from sensorium_compile.model.build import build_model
from sensorium_compile.recipe import ModelRecipe, Recipe, parse_recipe
from sensorium_compile.zoo import Weights

README = Path(__file__).parents[1] / "README.md"
OWN_MODEL = README.parent / "compile" / "bring-your-own-model.md"


def _blocks(language: str, page: Path = README) -> list[str]:
    blocks = re.findall(r"```(\w+)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [code for kind, code in blocks if kind == language]


@pytest.mark.parametrize("code", _blocks("python"))
def test_python_runs_as_it_stands(code: str, tmp_path: Path, weights: Weights, companion: Bundle) -> None:
    (tmp_path / "photo.jpg").write_bytes(weights.path("photo-coffee").read_bytes())
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("line", [line for code in _blocks("sh") for line in code.splitlines()])
def test_commands_exist_with_the_options_shown(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0].startswith("scripts/"):
        assert (README.parent / words[0]).is_file()
        return
    if words[0] == "pip":
        return
    command = [sys.executable, "-m", "sensorium_apps", words[1]]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert all(word in shown for word in words[2:] if word.startswith("--"))


@pytest.mark.parametrize("code", _blocks("toml"))
def test_recipes_and_ladders_are_valid(code: str) -> None:
    table = tomllib.loads(code)
    if KEY in table:
        parse_ladder(table, README.name)
    else:
        Recipe.model_validate(table)


@pytest.mark.parametrize("code", _blocks("python", OWN_MODEL))
def test_a_model_of_one_s_own_runs_as_the_page_says(code: str, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8).repeat(40, 0).repeat(40, 1)
    cv2.imwrite(str(tmp_path / "photo.jpg"), image)
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "'vision'" in done.stdout  # what the picture contributed


@pytest.mark.parametrize("code", _blocks("toml", OWN_MODEL))
def test_recipes_for_one_s_own_data_are_valid(code: str) -> None:
    made = parse_recipe(code, OWN_MODEL.name)
    assert isinstance(made, ModelRecipe)
    build_model(made, made.teacher, None)
    build_model(made, made.student, None)
