"""A whole session on a real microphone, a real camera and a real loudspeaker, as a user has it.

The microphone and the loudspeaker are PortAudio's on one null sink of PulseAudio, so the microphone hears all that the
machine says; the camera is an MJPEG server on loopback that shows a photo. The user's voice is the machine's own,
higher and slower.
"""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from tests.devices.leaks import nothing_left_open

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.clock import MonotonicClock
from sensorium.components.synthesiser import Synthesiser
from sensorium.events import Event, HealthChanged, Percept, Reply, Speech, Utterance
from sensorium.health import State
from sensorium.session import Session
from sensorium.words import word_error_rate
from sensorium_compile.zoo import Weights
from sensorium_devices.camera import Camera
from sensorium_devices.images import read_image
from sensorium_devices.loudspeaker import LoudSpeaker
from sensorium_devices.microphone import Microphone
from sensorium_devices.pulse import PulseServer, Recorder, why_not
from sensorium_devices.virtual import MjpegServer

LIMIT_S = 60.0  # for anything to happen: a slow machine with other tests beside this one
USER_SPEED, USER_PITCH = 0.9, 1.18


class AcrossTheTable(LoudSpeaker):
    """A real loudspeaker that the microphone hears 10 dB less loud than the user."""

    def write(self, samples: NDArray[np.float32]) -> None:
        super().write(np.float32(0.3) * samples)


class Scene:
    """What the camera sees: a photo, with a sensor's noise in every frame."""

    def __init__(self, photo: NDArray[np.uint8]) -> None:
        scale = 640 / max(photo.shape[:2])
        self._photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._noise = np.random.default_rng(0)

    def __call__(self) -> NDArray[np.uint8]:
        noise = self._noise.normal(0, 2.0, self._photo.shape[:2])[..., None]
        return np.clip(self._photo + noise, 0, 255).astype(np.uint8)


@dataclass
class Talk:
    """A session, what it told, and the user in front of it."""

    session: Session
    pulse: PulseServer
    voice: Synthesiser
    told: list[Event] = field(default_factory=list)
    players: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def wait(self, wanted: Callable[[Any], bool], what: str) -> Any:
        """The next event that is wanted."""
        deadline = time.monotonic() + LIMIT_S
        while (left_s := deadline - time.monotonic()) > 0:
            event = self.session.next_event(left_s)
            if event is not None:
                self.told.append(event)
                if wanted(event):
                    return event
        recent = [repr(e) for e in self.told if not isinstance(e, Percept)]
        raise AssertionError(f"no {what} within {LIMIT_S:g} s; told: {recent}")

    def ask(self, question: str) -> Reply:
        """Speak to the machine; its reply."""
        self.speak(question)
        said = self.wait(lambda e: isinstance(e, Utterance) and e.final, f"utterance {question!r}")
        errors, _ = word_error_rate(question, said.text)
        assert errors == 0, said.text
        return self.wait(lambda e: isinstance(e, Reply), "reply")

    def interrupts(self) -> bool:
        """Speak into an answer; whether the machine stops for it before its end."""
        self.session.say("What can you see and hear?")
        self.wait(_speech("started"), "answer")
        self.speak("Stop. That is enough for now, thank you very much.")
        ended = self.wait(lambda e: isinstance(e, Speech) and e.phase != "started", "end of the answer")
        return bool(ended.phase == "stopped")

    def speak(self, text: str) -> None:
        rate_hz = self.voice.rate_hz * USER_PITCH
        speech = soxr.resample(self.voice.synthesise(text, speed=USER_SPEED), rate_hz, 48_000)
        samples = np.concatenate([speech, np.zeros(4_800, np.float32)])
        self.players.append(self.pulse.start_playing(samples, 48_000))


def _speech(phase: str) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, Speech) and event.phase == phase


def _vision(state: State) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, HealthChanged) and (event.modality, event.state) == ("vision", state)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_spoken_question_is_answered_aloud_and_the_session_outlives_its_camera(
    companion: Bundle, weights: Weights
) -> None:
    clock = MonotonicClock()
    parts = assemble(companion, threads=1)
    voice, recogniser = parts.synthesiser, parts.workshop.recogniser
    assert isinstance(voice, Synthesiser)
    assert recogniser is not None
    scene = Scene(read_image(weights.path("photo-cat")))
    with nothing_left_open(), PulseServer() as pulse, pulse.environment(), MjpegServer(scene, 10) as camera:
        sources = [Camera(camera.url, clock), Microphone("default", clock)]
        with (
            Recorder(pulse) as recorder,
            Session(parts, sources, AcrossTheTable("default"), clock=clock) as session,
        ):
            talk = Talk(session, pulse, voice)
            talk.wait(
                lambda e: isinstance(e, Percept) and e.scene and e.senses["audio"].state is not State.ABSENT, "sight"
            )

            reply = talk.ask("What do you see?")
            assert "cat" in reply.text
            assert reply.because == ("vision",)
            before = len(recorder.heard)
            talk.wait(_speech("finished"), "end of the answer")
            assert "cat" in recogniser.recognise(recorder.heard[before:]).lower(), "the answer is heard aloud"

            camera.stop()
            talk.wait(_vision(State.ABSENT), "lost camera")
            session.say("Can you see me?")
            blind = talk.wait(lambda e: isinstance(e, Reply), "reply")
            assert "can't see right now, the camera stopped" in blind.text
            talk.wait(_speech("finished"), "end of the answer")
            camera.start()
            talk.wait(_vision(State.LIVE), "camera's return")
            said = [e.text for e in talk.told if isinstance(e, Utterance) and e.final and e.modality == "audio"]
            assert len(said) == 1, f"it took its own voice for the user's: {said}"

            assert any(talk.interrupts() for _ in range(3)), "the machine does not fall silent for the user"
            for player in talk.players:
                player.wait(LIMIT_S)
