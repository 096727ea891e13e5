"""``sensorium run`` and ``sensorium kiosk`` on a bundle of a trained model: what it tells with any sense missing."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
from tests.edge.test_learned import picture, sound
from tests.edge.tiny_model import write_bundle
from typer.testing import CliRunner

from sensorium_apps.app import app

runner = CliRunner()
NOTHING = ["--camera", "none", "--mic", "none", "--speaker", "none"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "red.png"), picture()[..., ::-1])
    return tmp_path / "red.png"


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "word.wav", sound((0.3, 1e-3), (0.3, 0.2), (1.2, 1e-3)), 16_000)
    return tmp_path / "word.wav"


@pytest.fixture
def touched(tmp_path: Path) -> Path:
    rows = "".join(f"{n * 50},0,{0.9 + n % 2 * 0.01},0\n" for n in range(20))
    (tmp_path / "touch.csv").write_text(f"time_ms,a,b,c\n{rows}")
    return tmp_path / "touch.csv"


def run(*args: object, command: str = "run") -> list[str]:
    result = runner.invoke(app, [command, *map(str, args)])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def bests(lines: list[str]) -> list[dict[str, Any]]:
    percepts = [event for event in map(json.loads, lines) if event["event"] == "percept"]
    return [percept["candidates"][0] for percept in percepts]


def told(lines: list[str]) -> set[tuple[str, frozenset[str]]]:
    return {(best["text"], frozenset(best["contributions"])) for best in bests(lines)}


def test_what_is_shown_and_said_is_found_with_what_each_sense_added(tmp_path: Path, photo: Path, spoken: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    record = tmp_path / "talk.mcap"
    lines = run("--bundle", bundle, "--camera", photo, "--mic", spoken, "--speaker", "none", "--seconds", 3, "--json",
                "--record", record, "--keep-faces", "--keep-voice", "--threads", 1)  # fmt: skip
    found = told(lines)
    assert ("red", frozenset({"vision"})) in found
    assert ("blue", frozenset({"vision", "audio"})) in found
    assert run(record, "--bundle", bundle, "--json", command="replay")[: len(lines)] == lines
    plain = run(record, "--bundle", bundle, command="replay")
    assert any("found red: " in line and "(camera +" in line for line in plain)


def test_either_sense_may_be_missing(tmp_path: Path, photo: Path, spoken: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    deaf = run("--bundle", bundle, "--camera", photo, "--mic", "none", "--speaker", "none", "--seconds", 1, "--json")
    assert ("red", frozenset({"vision"})) in told(deaf)
    blind = run("--bundle", bundle, "--camera", "none", "--mic", spoken, "--speaker", "none", "--json")
    assert ("blue", frozenset({"audio"})) in told(blind)
    nothing = run("--bundle", bundle, *NOTHING, "--seconds", 1, "--json")
    assert {names for _, names in told(nothing)} == {frozenset()}


def test_a_sensor_of_any_other_kind_is_read_from_a_file(tmp_path: Path, touched: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", ("vision", "touch"))
    lines = run("--bundle", bundle, *NOTHING, "--sensor", f"touch={touched}")
    assert any("found green: " in line and "(touch +" in line for line in lines)
    assert not any("neither see nor hear" in line for line in lines if "touch works" in line)


def test_a_sensor_that_the_bundle_has_no_encoder_for_is_refused(tmp_path: Path, touched: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    result = runner.invoke(app, ["run", "--bundle", str(bundle), *NOTHING, "--sensor", f"smell={touched}"])
    assert result.exit_code != 0
    assert "no modality 'smell'; known: audio, text, vision" in str(result.exception) + result.output


def test_a_ladder_of_the_users_own_is_obeyed_told_and_replayed(tmp_path: Path, photo: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", small=True)
    (tmp_path / "hot.toml").write_text(
        '[[rung]]\nname = "all"\n'
        '[[rung]]\nname = "small"\nvariant = "small"\n'
        "enter = { memory_free_mb = 1e9 }\nleave = { memory_free_mb = 2e9 }\n"
        '[[rung]]\nname = "mute"\nvariant = "small"\nspeech_sentences = 1\nenter = { late_ms = 9e9 }\n'
        "leave = { late_ms = 8e9 }\n"
    )
    result = runner.invoke(app, ["run", "--bundle", str(bundle), "--camera", str(photo), "--mic", "none", "--speaker",
        "none", "--seconds", "2", "--json", "--ladder", str(tmp_path / "hot.toml"), "--threads", "1", "--record",
        str(tmp_path / "hot.mcap"), "--keep-faces", "--keep-voice"])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "rung mute is left out" in result.stderr
    lines = result.stdout.splitlines()
    (change,) = [event for event in map(json.loads, lines) if event["event"] == "rung"]
    assert (change["rung"], change["previous"]) == ("small", "all")
    assert "MB of memory free, the limit is 1e+09" in change["cause"]
    # Colours are half as strong to the variant.
    added = [best["contributions"]["vision"] for best in bests(lines) if best["contributions"]]
    assert added[-1] < max(added) * 0.9 or added[-1] == pytest.approx(max(added))
    again = run(tmp_path / "hot.mcap", "--bundle", bundle, "--json", command="replay")
    assert again[: len(lines)] == lines


def test_a_kiosk_takes_what_is_shown_as_an_entry(tmp_path: Path, photo: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    args = ("--bundle", bundle, "--camera", photo, "--mic", "none", "--text", "none", "--speaker", "none")
    lines = run(*args, "--seconds", 2, command="kiosk")
    assert sum("Entered: red (red: " in line and "by camera" in line for line in lines) == 1


def test_a_bundle_may_have_ready_parts_beside_a_model(tmp_path: Path) -> None:
    """A typed question goes to the model first and to the rules where it is not sure."""
    bundle = write_bundle(tmp_path / "bundle", ("vision", "text"), config={"answers": True})
    (tmp_path / "questions.txt").write_text("is it blue?\nHello!\n")
    lines = run("--bundle", bundle, *NOTHING, "--text", tmp_path / "questions.txt")
    assert any(line.endswith("sensorium: Blue.") for line in lines)
    assert any("sensorium: Hello" in line for line in lines)
    assert np.isfinite(len(lines))
