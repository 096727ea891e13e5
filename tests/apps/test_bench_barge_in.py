"""The bench of speaking over the machine, on a real microphone and loudspeaker and on virtual ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sensorium.bundle import Bundle
from sensorium.components.synthesiser import Synthesiser
from sensorium.components.voice_activity import RATE_HZ, VoiceActivity
from sensorium_apps.app import app
from sensorium_apps.benches import room
from sensorium_apps.benches.barge_in import RECITAL, USER_SAYS
from sensorium_apps.benches.double_talk import USER_RMS, double_talk, loudness, utterances
from sensorium_apps.benches.room import OWN, USER, Heard
from sensorium_apps.parts import make
from sensorium_devices.sound import load_soxr


@pytest.mark.parametrize("devices", ["PortAudio", "virtual"])
def test_it_tells_how_soon_the_machine_is_silent_and_that_it_does_not_interrupt_itself(
    devices: str, companion: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if devices == "virtual":
        monkeypatch.setattr(room, "why_not", lambda: "there is no PulseAudio")
    elif (reason := room.why_not()) is not None:
        pytest.skip(reason)
    out = tmp_path / "figures.json"
    words = ["bench", "barge-in", "--bundle", str(companion.path), "--rounds", "3", "--seconds", "2", "--trials", "8"]
    ran = CliRunner().invoke(app, [*words, "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(out.read_text())
    figures = told["figures"]
    assert devices in told["devices"]
    assert 0 <= figures["stop_p50_ms"] <= figures["stop_ms"]
    assert figures["onset_to_silence_p50_ms"] > figures["onset_to_detection_p50_ms"] > 0
    assert 0 < figures["interrupted_ratio"] <= 1
    assert figures["own_speech_s"] >= 2
    assert told["double_talk"]["trials"] == 8
    assert told["floor"]["speaker_stop_p95_ms"] >= told["floor"]["speaker_stop_p50_ms"]
    assert "after a voice was noticed" in ran.stdout


def test_who_is_louder_than_the_machine_is_noticed_and_it_never_notices_itself(companion: Bundle) -> None:
    pytest.importorskip("pywebrtc_audio")
    activity, voice = make(companion, "voice_activity", 1), make(companion, "synthesiser", 1)
    assert isinstance(activity, VoiceActivity)
    assert isinstance(voice, Synthesiser)
    own, user = voice.synthesise(2 * RECITAL), voice.synthesise(USER_SAYS, speed=0.9)
    higher = np.asarray(load_soxr().resample(user, 1.18 * voice.rate_hz, RATE_HZ), np.float32)
    trials = list(double_talk(activity, own, voice.rate_hz, [higher], 16))  # each way at each level once
    assert [trial for trial in trials if trial.itself and not (trial.room and trial.stumbles)] == []
    assert [trial for trial in trials if trial.level_db >= 5 and not trial.stumbles and not trial.noticed] == []


def test_recordings_of_words_are_joined_to_utterances_of_one_loudness() -> None:
    dice = np.random.default_rng(0)
    words = [dice.normal(0, 10.0**-i, RATE_HZ // 2).astype(np.float32) for i in range(4)]
    joined = utterances(words, 1.0)
    assert [len(one) for one in joined] == [RATE_HZ, RATE_HZ]
    assert [loudness(one) for one in joined] == pytest.approx([USER_RMS] * 2, rel=0.1)
    assert len(utterances(words, 60.0)) == 1


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
