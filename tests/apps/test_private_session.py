"""A whole session with the companion bundle that keeps to the private default: no face, no voice, no socket."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.clock import MonotonicClock
from sensorium.components.faces import Faces
from sensorium.events import Event, Percept, Reply
from sensorium.samples import AudioChunk, Frame, Sample
from sensorium.session import Session
from sensorium.steps import Step
from sensorium_apps.app import app
from sensorium_apps.journal import RecordedSession, RecordingJournal, recorded_percepts
from sensorium_compile.zoo import Weights
from sensorium_devices.camera import Camera
from sensorium_devices.images import read_image
from sensorium_devices.recording import Recording

LIMIT_S = 60.0

# Any socket ends the process: audit hooks cannot be removed (https://docs.python.org/3/library/audit_events.html).
NO_SOCKET = """
import os, sys

def refuse(event, arguments):
    if event.startswith("socket."):
        sys.stderr.write(f"SOCKET {event} {arguments}\\n")
        sys.stderr.flush()
        os._exit(9)

sys.addaudithook(refuse)
"""

WHOLE_SESSION = """
from sensorium_apps.live import Inputs, live
from sensorium.events import Reply

photo, sound, text, record, bundle = map(Path, sys.argv[1:])
inputs = Inputs(bundle, str(photo), str(sound), str(text), "none", ("a person", "a cup"), record, threads=1)
with live(inputs) as running:
    for event in running.events(90):
        if isinstance(event, Reply):
            print(event.text, flush=True)
            break
os._exit(0)  # a busy machine may have left a graph running, which the interpreter's end does not like
"""


class Watched(RecordingJournal):
    """Tells when a picture was kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.has_picture = threading.Event()

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        super().step(step, sample, now_ns)
        if isinstance(sample, Frame):
            self.has_picture.set()


@pytest.fixture(scope="module")
def recording(companion: Bundle, weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait that is looked at, and a typed question; kept by the private default."""
    path = tmp_path_factory.mktemp("private") / "session.mcap"
    clock, journal = MonotonicClock(), Watched(path)
    parts = assemble(companion, look_for=("a person", "a cup"), threads=1)
    sources = [Camera(str(weights.path("photo-uniform")), clock)]
    with Session(parts, sources, clock=clock, journal=journal) as session:
        told: list[Event] = []
        asked = 0
        while sum(isinstance(event, Reply) for event in told) < 2:
            event = session.next_event(LIMIT_S)
            assert event is not None, "no reply"
            told.append(event)
            seen = isinstance(event, Percept) and event.things and not asked
            if seen or isinstance(event, Reply):
                asked += 1
                session.say("What do you see?")
        assert journal.has_picture.wait(LIMIT_S)
    return path


def frames(recording: Path) -> list[Frame]:
    return [entry.payload for entry in Recording(recording) if isinstance(entry.payload, Frame)]


def test_a_recording_has_no_sharp_face_and_the_rest_of_the_picture_is_there(
    recording: Path, companion: Bundle, weights: Weights
) -> None:
    photo = read_image(weights.path("photo-uniform"))
    detector = Faces(companion.part("faces"), threads=1)
    kept = frames(recording)
    assert kept
    x0, y0, x1, y1 = detector.find(photo)[0]
    rows, columns = (slice(round(a * n), round(b * n)) for a, b, n in ((y0, y1, len(photo)), (x0, x1, photo.shape[1])))
    for frame in kept:
        assert frame.image.shape == photo.shape
        assert detail(frame.image[rows, columns]) < detail(photo[rows, columns]) / 3
        assert np.array_equal(frame.image[-50:], photo[-50:])


def detail(image: NDArray[np.uint8]) -> float:
    """The mean difference of neighbours."""
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_a_private_recording_says_so_and_is_replayed_from_what_is_left(recording: Path, companion: Bundle) -> None:
    with RecordedSession(recording) as recorded:
        assert recorded.settings.privacy.faces == "blurred"
        assert not recorded.settings.privacy.faithful
    done = CliRunner().invoke(app, ["replay", str(recording), "--bundle", str(companion.path)])
    assert done.exit_code == 0, done.output
    assert "was kept with faces blurred, no audio; what is decided now may differ" in done.output
    assert done.output.count("sensorium: ") >= 2
    assert "consent to keep what is seen and heard: yes" in done.output
    checked = CliRunner().invoke(app, ["replay", str(recording), "--check", "--bundle", str(companion.path)])
    assert checked.exit_code == 0, checked.output


def test_a_bundle_without_a_face_detector_borrows_the_companions_or_hides_whole_pictures(
    companion: Bundle, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sensorium.veil import Veil
    from sensorium_apps.faces import CompanionFaces

    frame = Frame(1, 0, read_image(weights.path("photo-uniform")))
    assert np.array_equal(Veil(CompanionFaces()).over(frame).frame.image[-50:], frame.image[-50:])
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    veiled = Veil(CompanionFaces()).over(frame)
    assert "no bundle at" in veiled.failure
    assert len(np.unique(veiled.frame.image.reshape(-1, 3), axis=0)) <= 64


def test_a_whole_session_opens_no_socket(companion: Bundle, weights: Weights, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 1e-3, 16_000), 16_000)
    (tmp_path / "questions.txt").write_text("What do you see?\n")
    paths = [weights.path("photo-uniform"), tmp_path / "noise.wav", tmp_path / "questions.txt"]
    arguments = [*map(str, paths), str(tmp_path / "kept.mcap"), str(companion.path)]
    program = NO_SOCKET + "from pathlib import Path\n" + WHOLE_SESSION
    done = _run(program, arguments)
    assert "SOCKET" not in done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert list(recorded_percepts(tmp_path / "kept.mcap"))
    assert not [e for e in Recording(tmp_path / "kept.mcap") if isinstance(e.payload, AudioChunk)]


def test_the_guard_of_the_test_above_does_find_a_socket() -> None:
    done = _run(NO_SOCKET + "import socket\nsocket.getaddrinfo('localhost', 80)", [])
    assert done.returncode == 9
    assert "SOCKET socket.getaddrinfo" in done.stderr


def _run(program: str, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
