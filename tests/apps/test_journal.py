import json
from pathlib import Path

import numpy as np
import pytest

from sensorium.capture import SourceChanged
from sensorium.core import CoreSettings
from sensorium.encoders.text import TextEncoder
from sensorium.errors import RecordingError
from sensorium.events import Event, Reply, to_json
from sensorium.jobs import Workshop
from sensorium.policy import FAITHFUL
from sensorium.replay import Taken, describe_settings, replay
from sensorium.samples import AudioChunk, Frame, Line
from sensorium.session import Parts, Session
from sensorium.source import SourceInfo
from sensorium.steps import Check, Done, Finding, Recognised, Spoke, Tick
from sensorium_apps.journal import EVENTS, RecordedSession, RecordingJournal
from sensorium_apps.journal import SETTINGS as SETTINGS_TOPIC
from sensorium_devices.recording import Recorder, Recording

SETTINGS = CoreSettings(("vision", "audio", "text"), ("a cat",), 1.5, 3600, 7)


def parts() -> Parts:
    return Parts(encoders={"text": TextEncoder()}, fusion=None, workshop=Workshop())


def talk(path: Path) -> list[Event]:
    """Two questions to a session that can only read and write, recorded; returns what it told."""
    told: list[Event] = []
    with Session(parts(), [], journal=RecordingJournal(path), privacy=FAITHFUL) as session:
        for question in ("Hello!", "What can you see?"):
            session.say(question)
            while (event := session.next_event(10)) is not None:
                told.append(event)
                if isinstance(event, Reply):
                    break
    return told


def test_steps_come_back_as_they_were_kept(tmp_path: Path) -> None:
    journal = RecordingJournal(tmp_path / "a.mcap")
    journal.begin(SETTINGS)
    frame = Frame(5, 0, np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    chunk = AudioChunk(6, 0, np.linspace(-1, 1, 8, dtype=np.float32), 16_000)
    journal.step(SourceChanged("vision", "open", info=SourceInfo("4x4", 33, ("a note",))), None, 10)
    journal.step(Finding("vision", 5, text="not kept"), frame, 11)
    journal.step(Tick(12, {"vision": 5}), None, 12)
    journal.step(Finding("audio", 6), chunk, 13)
    journal.step(Check({"vision": 5}), None, 14)
    journal.step(Done(1, Recognised("hello", 0.9)), None, 15)
    journal.step(Spoke(1, "started"), None, 16)
    journal.close()
    with RecordedSession(tmp_path / "a.mcap") as recorded:
        assert recorded.settings == SETTINGS
        taken = list(recorded.steps())
    assert [item.now_ns for item in taken] == [10, 11, 12, 13, 14, 15, 16]
    assert taken[2] == Taken(12, message={"step": "Tick", "due_ns": 12, "arrivals": {"vision": 5}})
    assert isinstance(taken[1].sample, Frame)
    assert np.array_equal(taken[1].sample.image, frame.image)
    assert (taken[1].modality, taken[3].modality) == ("vision", "audio")
    assert isinstance(taken[3].sample, AudioChunk)
    assert taken[3].sample.samples.tobytes() == chunk.samples.tobytes()


def test_a_recorded_session_is_replayed_to_the_same_events(tmp_path: Path) -> None:
    told = talk(tmp_path / "talk.mcap")
    kept = [entry.payload for entry in Recording(tmp_path / "talk.mcap") if entry.topic == EVENTS]
    with RecordedSession(tmp_path / "talk.mcap") as recorded:
        again = [to_json(event) for event in replay(recorded.settings, recorded.steps(), parts())]
    assert [line.encode() for line in again] == kept
    assert again[: len(told)] == [to_json(event) for event in told]
    assert sum('"event": "reply"' in line for line in again) == 2


def test_a_finding_without_its_sample_is_not_kept(tmp_path: Path) -> None:
    journal = RecordingJournal(tmp_path / "a.mcap")
    journal.begin(SETTINGS)
    journal.step(Finding("text", 5), None, 10)
    journal.close()
    with RecordedSession(tmp_path / "a.mcap") as recorded:
        assert list(recorded.steps()) == []


def test_a_recording_of_something_else_is_told(tmp_path: Path) -> None:
    with Recorder(tmp_path / "drive.mcap") as recorder:
        recorder.message("/safety/state", b"{}", 1)
    with pytest.raises(RecordingError, match="no recording of a session"):
        RecordedSession(tmp_path / "drive.mcap")


def test_a_sample_without_its_step_is_told(tmp_path: Path) -> None:
    journal = RecordingJournal(tmp_path / "a.mcap")
    journal.begin(SETTINGS)
    journal._recorder.sample("text", Line(1, 0, "hello"))
    journal.close()
    with (
        RecordedSession(tmp_path / "a.mcap") as recorded,
        pytest.raises(RecordingError, match="without its step"),
    ):
        list(recorded.steps())


@pytest.mark.parametrize("content", [b"", b"not mcap at all"])
def test_a_file_that_is_no_recording_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match=r"a\.mcap"):
        RecordedSession(tmp_path / "a.mcap")


def _recorded(path: Path, settings: dict[str, object]) -> Path:
    with Recorder(path) as recorder:
        recorder.message(SETTINGS_TOPIC, json.dumps(settings).encode(), 1)
    return path


def test_a_recording_from_before_the_ladder_says_who_wrote_it_and_what_to_do(tmp_path: Path) -> None:
    before = describe_settings(SETTINGS)
    for key in ("format", "sensorium", "ladder", "backends"):
        del before[key]
    with pytest.raises(RecordingError, match=r"format 1, written by a Sensorium of a version before.*record again"):
        RecordedSession(_recorded(tmp_path / "a.mcap", before))


def test_a_recording_of_a_newer_format_says_who_wrote_it_and_what_to_do(tmp_path: Path) -> None:
    newer = describe_settings(SETTINGS) | {"format": 99, "sensorium": "7.0"}
    with pytest.raises(RecordingError, match=r"format 99, written by a Sensorium 7\.0;.*the one that wrote it"):
        RecordedSession(_recorded(tmp_path / "a.mcap", newer))


def test_a_recording_with_the_ladder_but_without_a_format_is_replayed(tmp_path: Path) -> None:
    between = describe_settings(SETTINGS)
    for key in ("format", "sensorium"):
        del between[key]
    with RecordedSession(_recorded(tmp_path / "a.mcap", between)) as recorded:
        assert recorded.settings == SETTINGS
