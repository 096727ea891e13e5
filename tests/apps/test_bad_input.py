"""Bad input on the command line: one clear line and a non-zero exit, never a traceback."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from sensorium.bundle import Bundle
from sensorium.words import word_error_rate
from sensorium_compile.zoo import Weights

RATE_HZ = 16_000


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sensorium_apps", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def _fails(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("empty.wav", b"", "empty"), ("text.wav", b"hello, I am text", "not a sound file"), ("none.wav", None, "No such")],
)
def test_a_sound_file_that_is_none_is_told(
    name: str, content: bytes | None, said: str, tmp_path: Path, companion: Bundle
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert said in _fails(_run("transcribe", tmp_path / name, "--bundle", companion.path))


def test_a_truncated_wav_is_transcribed_as_far_as_it_goes(tmp_path: Path, weights: Weights, companion: Bundle) -> None:
    whole = weights.path("speech-jfk").read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[: len(whole) // 2])
    done = _run("transcribe", tmp_path / "half.wav", "--bundle", companion.path)
    assert done.returncode == 0, done.stderr
    assert "fellow" in done.stdout.lower()


def test_another_rate_is_resampled_and_told(tmp_path: Path, weights: Weights, companion: Bundle) -> None:
    samples, rate_hz = soundfile.read(weights.path("speech-jfk"))
    soundfile.write(tmp_path / "slow.wav", samples[::2], rate_hz // 2)
    done = _run("transcribe", tmp_path / "slow.wav", "--bundle", companion.path)
    assert done.returncode == 0, done.stderr
    assert "8000" in done.stderr.replace(",", "").replace(" ", "")


def test_nan_audio_is_told_or_heard_as_silence(tmp_path: Path, companion: Bundle) -> None:
    soundfile.write(tmp_path / "nan.wav", np.full(RATE_HZ, np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    done = _run("transcribe", tmp_path / "nan.wav", "--bundle", companion.path)
    assert "Traceback" not in done.stderr
    assert "not finite" in done.stderr or "NaN" in done.stderr, done.stderr


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut off"], ids=["empty", "text", "corrupt jpeg"]
)
def test_a_picture_that_is_none_is_told(content: bytes, tmp_path: Path, companion: Bundle) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    assert "photo.jpg" in _fails(_run("describe", tmp_path / "photo.jpg", "--bundle", companion.path))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3648, 5472)])
def test_pictures_of_any_size_are_described(height: int, width: int, tmp_path: Path, companion: Bundle) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.jpg"), cv2.resize(noise, (width, height)))
    done = _run("describe", tmp_path / "photo.jpg", "--json", "--bundle", companion.path)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def _one_byte(folder: Path) -> None:
    path = next((folder / "voice_activity").glob("*.onnx"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def _edit(change: dict[str, object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return edit


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (_one_byte, "is damaged"),
        (_edit({"files": {"../outside": {"sha256": "0" * 64, "size": 1}}}), "leaves the bundle's folder"),
        (_edit({"schema_version": 99}), "schema 99"),
        (_edit({"target": "hexagon-v79"}), "compiled for hexagon-v79"),
    ],
    ids=["one byte changed", "path outside", "newer schema", "other target"],
)
def test_a_bundle_that_cannot_be_trusted_is_refused(
    break_it: Callable[[Path], None], said: str, tmp_path: Path, companion: Bundle
) -> None:
    shutil.copytree(companion.path, tmp_path / "bundle")
    break_it(tmp_path / "bundle")
    assert said in _fails(_run("run", "--camera", "none", "--mic", "none", "--bundle", tmp_path / "bundle"))


def test_real_speech_is_transcribed_and_said_text_is_read_back(
    tmp_path: Path, weights: Weights, companion: Bundle
) -> None:
    for name in ("speech-jfk", "speech-two-cities"):
        done = _run("transcribe", weights.path(name), "--bundle", companion.path)
        errors, words = word_error_rate(weights.entry(name).transcript, done.stdout)
        assert errors <= 0.08 * words, done.stdout
    text = "Turn left at the red door, then wait for the robot to bring two bottles of water."
    assert _run("say", text, "--out", tmp_path / "x.wav", "--bundle", companion.path).returncode == 0
    errors, words = word_error_rate(text, _run("transcribe", tmp_path / "x.wav", "--bundle", companion.path).stdout)
    assert errors <= 0.1 * words
