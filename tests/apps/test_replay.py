"""A recorded session of real picture, sound and text makes the same decisions again, byte for byte."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.clock import MonotonicClock
from sensorium.components.synthesiser import Synthesiser
from sensorium.events import Reply, to_json
from sensorium.policy import FAITHFUL
from sensorium.replay import replay
from sensorium.session import Session
from sensorium_apps.journal import EVENTS, RecordedSession, RecordingJournal
from sensorium_compile.zoo import Weights
from sensorium_devices.camera import Camera
from sensorium_devices.microphone import Microphone
from sensorium_devices.recording import Recording

LIMIT_S = 60.0
LOOK_FOR = ("a cat", "a red cup")


@pytest.fixture(scope="module")
def recording(companion: Bundle, weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, a spoken question and a typed one, each answered."""
    folder = tmp_path_factory.mktemp("recording")
    parts = assemble(companion, look_for=LOOK_FOR, threads=1)
    voice = parts.synthesiser
    assert isinstance(voice, Synthesiser)
    question = soxr.resample(voice.synthesise("What do you see?"), voice.rate_hz, 16_000)
    quiet = np.random.default_rng(0).normal(0, 1e-3, 16_000 + len(question) + 40_000).astype(np.float32)
    quiet[16_000 : 16_000 + len(question)] += question
    soundfile.write(folder / "question.wav", quiet, 16_000)
    clock = MonotonicClock()
    sources = [Camera(str(weights.path("photo-cat")), clock), Microphone(str(folder / "question.wav"), clock)]
    with Session(
        parts, sources, clock=clock, journal=RecordingJournal(folder / "session.mcap"), privacy=FAITHFUL
    ) as session:
        replies = 0
        while replies < 2:
            event = session.next_event(LIMIT_S)
            assert event is not None, "no reply"
            if isinstance(event, Reply):
                replies += 1
                session.say("How many cats are there?")
    return folder / "session.mcap"


def _replayed(recording: Path, companion: Bundle) -> list[str]:
    with RecordedSession(recording) as recorded:
        parts = assemble(companion, look_for=recorded.settings.look_for, threads=1)
        return [to_json(event) for event in replay(recorded.settings, recorded.steps(), parts)]


def test_two_replays_are_equal_byte_for_byte_and_equal_to_what_was_told_live(
    recording: Path, companion: Bundle
) -> None:
    first, second = _replayed(recording, companion), _replayed(recording, companion)
    assert first == second
    told = [entry.payload for entry in Recording(recording) if entry.topic == EVENTS]
    live = [payload.decode() for payload in told if isinstance(payload, bytes)]
    assert first == live
    assert any('"event": "reply"' in line and "cat" in line for line in first)
