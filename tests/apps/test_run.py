"""``sensorium run`` and its like on a bundle without a single part: devices, conversation and endings, no weights."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sensorium.bundle.loaded import host_target
from sensorium_apps.app import app
from sensorium_compile.pack import pack
from sensorium_devices.recording import Recording

runner = CliRunner()
NOTHING = ["--camera", "none", "--mic", "none", "--speaker", "none"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    pack("empty", host_target(), {}, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    (tmp_path / "questions.txt").write_text("Hello!\nWhat can you see?\n")
    return tmp_path / "questions.txt"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), noise)
    return tmp_path / "photo.png"


def run(*args: object, command: str = "run") -> list[str]:
    result = runner.invoke(app, [command, *map(str, args)])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_typed_questions_are_answered_without_any_device_and_then_it_ends(bundle: Path, questions: Path) -> None:
    lines = run("--bundle", bundle, *NOTHING, "--text", questions)
    assert [line[9:] for line in lines if "you (typed)" in line] == [
        "you (typed): Hello!",
        "you (typed): What can you see?",
    ]
    assert sum("sensorium: " in line for line in lines) == 2


def test_json_lines_hold_every_event(bundle: Path, questions: Path) -> None:
    events = [json.loads(line) for line in run("--bundle", bundle, *NOTHING, "--text", questions, "--json")]
    kinds = [event["event"] for event in events]
    assert {"health", "utterance", "reply", "percept"} == set(kinds)
    assert kinds.count("reply") == 2


def test_it_ends_after_the_given_seconds(bundle: Path) -> None:
    began = time.monotonic()
    lines = run("--bundle", bundle, *NOTHING, "--seconds", 0.5)
    assert time.monotonic() - began < 3
    assert any("I can neither see nor hear" in line for line in lines)


def test_a_source_that_does_not_open_is_absent_with_its_reason(bundle: Path) -> None:
    lines = run("--bundle", bundle, *NOTHING[2:], "--camera", "missing.jpg", "--seconds", 0.5)
    assert any("camera absent" in line and "missing.jpg" in line for line in lines)


def test_a_recorded_run_is_replayed_the_same_twice(bundle: Path, questions: Path, tmp_path: Path) -> None:
    recording = tmp_path / "talk.mcap"
    faithful = ["--record", recording, "--keep-faces", "--keep-voice"]
    told = run("--bundle", bundle, *NOTHING, "--text", questions, *faithful, "--json")
    assert run(recording, "--bundle", bundle, "--json", command="replay")[: len(told)] == told
    checked = json.loads(run(recording, "--bundle", bundle, "--check", "--json", command="replay")[0])
    assert checked["same"] is True
    assert checked["events"] >= len(told)


def test_a_recording_is_never_overwritten(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.mcap").write_bytes(b"mine")
    command = ["run", "--bundle", str(bundle), *NOTHING, "--record", str(tmp_path / "talk.mcap")]
    result = runner.invoke(app, command)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert (tmp_path / "talk.mcap").read_bytes() == b"mine"


def test_the_headset_writes_pictures(bundle: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "overlay"
    senses = ["--camera", photo, "--mic", "none", "--speaker", "none"]
    run("--bundle", bundle, *senses, "--pictures", out, "--seconds", 1, "--keep-faces", command="headset")
    assert len(list(out.glob("overlay-*.jpg"))) >= 2


def test_the_robot_prints_json_lines_and_keeps_them(bundle: Path, questions: Path, tmp_path: Path) -> None:
    messages = [
        json.loads(line)
        for line in run(
            *("--bundle", bundle, *NOTHING, "--text", questions, "--mcap", tmp_path / "drive.mcap"),
            command="robot",
        )
    ]
    assert messages[0]["topic"] == "/safety/state"
    assert "/perception/heard" in {message["topic"] for message in messages}
    kept = [entry.topic for entry in Recording(tmp_path / "drive.mcap")]
    assert kept == [message["topic"] for message in messages]


def test_the_kiosk_answers_who_types(bundle: Path, questions: Path) -> None:
    lines = run("--bundle", bundle, *NOTHING, "--text", questions, command="kiosk")
    assert any(line.startswith("[idle, type] I can't hear you") for line in lines)
    assert any(line.startswith("[talking, type] You: Hello!") for line in lines)


def test_no_thread_is_left_behind(bundle: Path, questions: Path) -> None:
    before = set(threading.enumerate())
    run("--bundle", bundle, *NOTHING, "--text", questions)
    assert set(threading.enumerate()) <= before


@contextmanager
def started(bundle: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """A run without any source, in a process of its own, that has told its first line."""
    command = [sys.executable, "-m", "sensorium_apps", "run", "--bundle", str(bundle), *NOTHING, *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_is_ended_by_a_signal_within_a_second(number: signal.Signals, code: int, bundle: Path) -> None:
    with started(bundle) as process:
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - began < 1
        assert process.returncode == code
        assert errors == ""


def test_a_reader_that_goes_away_ends_it_quietly(bundle: Path) -> None:
    with started(bundle, "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(10) == 141
    assert [line for line in errors.splitlines() if not line.startswith("note: I can neither see")] == []
