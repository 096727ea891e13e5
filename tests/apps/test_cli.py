import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from sensorium.errors import SourceError
from sensorium_apps.app import app
from sensorium_apps.failures import CarefulGroup, explain

COMMANDS = "demo run pull devices doctor compile inspect compare evaluate replay say".split()  # noqa: SIM905
COMMANDS += "transcribe describe headset robot kiosk".split()  # noqa: SIM905
runner = CliRunner()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), ["bench", "startup"], ["bench", "soak"]])
def test_every_command_shows_an_example(command: list[str]) -> None:
    result = runner.invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"sensorium {' '.join(command)}" in result.output


def test_help_names_every_command_and_imports_no_model_code() -> None:
    code = (
        "import sys\n"
        "from sensorium_apps.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print([m for m in ('numpy', 'onnxruntime', 'cv2', 'pydantic') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", ["run", "say hello", "headset", "robot", "kiosk", "describe {picture}"])
def test_a_missing_bundle_is_one_line_that_says_what_to_do(command: str, tmp_path: Path) -> None:
    picture = _picture(tmp_path)
    result = runner.invoke(app, command.format(picture=picture).split())
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: no bundle at ")
    assert result.stderr.endswith("run: sensorium pull && sensorium compile companion\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("transcribe missing.wav", "error: missing.wav: No such file or directory\n"),
        ("describe missing.jpg", "error: missing.jpg: No such file or directory\n"),
        ("compile headset", "error: no recipe 'headset'; known: companion"),
        ("compile companion --target gpu", "error: no target 'gpu'; known: arm-cpu, ethos-u55,"),
        ("run --bundle missing", "error: no bundle at missing; give another --bundle, or run: "),
        ("pull nothing-like-it --list", "error: no weight, role or group 'nothing-like-it'; known: "),
    ],
)
def test_what_does_not_exist_is_named_in_one_line(command: str, said: str) -> None:
    result = runner.invoke(app, command.split())
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["nothing", "run --seconds -1", "run --tick-ms soon", "say hi --out x.mp3", "say"])
def test_wrong_usage_exits_with_2(command: str) -> None:
    result = runner.invoke(app, command.split())
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_devices_are_listed_as_text_and_as_json() -> None:
    plain = runner.invoke(app, ["devices"])
    assert plain.exit_code == 0
    assert "microphones" in plain.stdout
    told = json.loads(runner.invoke(app, ["devices", "--json"]).stdout)
    assert told.keys() == {"cameras", "microphones", "speakers", "problems"}


def test_the_zoo_is_listed_with_licences_and_sizes() -> None:
    plain = runner.invoke(app, ["pull", "--list"])
    assert plain.exit_code == 0
    assert "silero-vad" in plain.stdout
    assert "MIT" in plain.stdout
    told = json.loads(runner.invoke(app, ["pull", "silero-vad", "--list", "--json"]).stdout)
    assert [(file["name"], file["here"]) for file in told["files"]] == [("silero-vad", False)]


def test_the_version_is_told() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("sensorium")


def failing(error: BaseException) -> typer.Typer:
    made = typer.Typer(cls=CarefulGroup, pretty_exceptions_enable=False)

    @made.command("fail")
    def fail() -> None:
        raise error

    @made.callback()
    def group() -> None:
        pass

    return made


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SourceError("camera 0: gone"), 1, "error: camera 0: gone\n"),
        (
            ModuleNotFoundError("", name="cv2.data"),
            1,
            'error: cv2 is not installed; pip install "sensorium[camera]"\n',
        ),
        (OSError(28, "No space left on device", "x.wav"), 1, "error: x.wav: No space left on device\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
        (typer.Exit(7), 7, ""),
    ],
)
def test_failures_end_with_their_exit_code_and_one_line(error: BaseException, code: int, said: str) -> None:
    result = runner.invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stderr) == (code, said)


def test_a_fault_of_our_own_says_so_and_how_to_see_where() -> None:
    result = runner.invoke(failing(KeyError("box")), ["fail"])
    assert result.exit_code == 1
    assert "KeyError" in result.stderr
    assert "SENSORIUM_DEBUG=1" in result.stderr
    assert result.stderr.count("\n") == 1


def test_debugging_shows_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_DEBUG", "1")
    result = runner.invoke(failing(SourceError("camera 0: gone")), ["fail"])
    assert isinstance(result.exception, SourceError)


def test_an_error_of_several_lines_becomes_one() -> None:
    assert explain(SourceError("first\n  second")) == "first second"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _picture(folder: Path) -> Path:
    path = folder / "grey.png"
    cv2.imwrite(str(path), np.full((8, 8, 3), 127, np.uint8))
    return path
