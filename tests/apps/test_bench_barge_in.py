"""The bench of speaking over the machine, on a real microphone and loudspeaker and on virtual ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sensorium.bundle import Bundle
from sensorium_apps.app import app
from sensorium_apps.benches import room
from sensorium_apps.benches.room import OWN, USER, Heard


@pytest.mark.parametrize("devices", ["PortAudio", "virtual"])
def test_it_tells_how_soon_the_machine_is_silent_and_that_it_does_not_interrupt_itself(
    devices: str, companion: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if devices == "virtual":
        monkeypatch.setattr(room, "why_not", lambda: "there is no PulseAudio")
    elif (reason := room.why_not()) is not None:
        pytest.skip(reason)
    out = tmp_path / "figures.json"
    words = ["bench", "barge-in", "--bundle", str(companion.path), "--rounds", "3", "--seconds", "2"]
    ran = CliRunner().invoke(app, [*words, "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(out.read_text())
    figures = told["figures"]
    assert devices in told["devices"]
    assert 0 <= figures["stop_p50_ms"] <= figures["stop_ms"]
    assert figures["onset_to_silence_p50_ms"] > figures["onset_to_detection_p50_ms"] > 0
    assert 0 < figures["interrupted_ratio"] <= 1
    assert figures["own_speech_s"] >= 2
    assert told["floor"]["speaker_stop_p95_ms"] >= told["floor"]["speaker_stop_p50_ms"]
    assert "after a voice was noticed" in ran.stdout


def test_each_voice_is_told_apart_by_its_side_of_the_recording() -> None:
    samples = np.zeros((100, 2), np.float32)
    samples[10:60, OWN] = samples[40:90, USER] = 0.1
    samples[95, OWN] = 1e-5  # rounding is nobody's voice
    heard = Heard(samples, 1000, lambda place: place * 10)
    assert (heard.first(OWN), heard.last(OWN)) == (10, 59)
    assert (heard.first(USER), heard.last(USER)) == (40, 89)
    assert heard.time_ns(40) == 10_400
    assert heard.place == 1100
    assert Heard(samples[:5], 0, lambda place: place).first(OWN) is None
