"""The demo, as a user starts it on a machine without camera, microphone or display."""

import json
import subprocess
import sys
from pathlib import Path

from sensorium.bundle import Bundle
from sensorium_compile.zoo import Weights


def test_the_demo_answers_every_tick_names_photos_and_tells_what_failed(
    tmp_path: Path, weights: Weights, companion: Bundle
) -> None:
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "sensorium_apps", "demo", "--json", str(out), "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert told["percepts"] == told["ticks"] > 100
    assert sum(o["right"] for o in told["objects"]) >= 8
    assert len(told["objects"]) == 10
    errors, words = (sum(u[key] for u in told["utterances"]) for key in ("errors", "words"))
    assert errors <= 0.1 * words
    assert all(reply["wav_seconds"] > 0 and reply["first_audio_ms"] > 0 for reply in told["replies"])
    assert len(told["replies"]) == 7
    lost = [h for h in told["health_changes"] if h["state"] == "absent" and h["detected_after_ms"] is not None]
    assert {h["modality"] for h in lost} == {"vision", "audio"}
    assert all(h["reason"] for h in lost)
    assert (tmp_path / "demo" / "timeline.png").stat().st_size > 10_000
    assert len(list((tmp_path / "demo" / "replies").glob("*.wav"))) == 7
