"""The README's code runs and its commands exist."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sensorium.bundle import Bundle
from sensorium_compile.recipe import Recipe
from sensorium_compile.zoo import Weights

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def _blocks(language: str) -> list[str]:
    return [code for kind, code in BLOCKS if kind == language]


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
    command = [sys.executable, "-m", "sensorium_apps", words[1]]
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert all(word in shown for word in words[2:] if word.startswith("--"))


@pytest.mark.parametrize("code", _blocks("toml"))
def test_recipes_are_valid(code: str) -> None:
    Recipe.model_validate(tomllib.loads(code))
