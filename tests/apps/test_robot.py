import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.apps.samples_of_events import health, percept, said, thing
from tests.edge.tiny_model import write_bundle
from typer.testing import CliRunner

from sensorium.health import State
from sensorium_apps.app import app
from sensorium_apps.robot import McapSink, Message, Rules, bearing_deg, command
from sensorium_devices.recording import Recording


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Stop!", "stop"),
        ("please don't move", "stop"),
        ("come here", "come"),
        ("Turn left at the door.", "turn left"),
        ("do not follow me", None),
        ("the bus stopped", None),
        ("what do you see", None),
        ("stop, and then go ahead", "stop"),
    ],
)
def test_commands_are_found_in_what_was_said(text: str, expected: str | None) -> None:
    assert command(text) == expected


def test_a_thing_in_the_middle_lies_ahead_and_one_at_the_left_edge_at_half_the_field_of_view() -> None:
    assert bearing_deg((0.4, 0, 0.6, 1), 60) == pytest.approx(0)
    assert bearing_deg((0, 0, 0, 1), 60) == pytest.approx(30)
    assert bearing_deg((1, 0, 1, 1), 60) == pytest.approx(-30)


def states(messages: list[Message]) -> list[str]:
    return [message.data["state"] for message in messages if message.topic == "/safety/state"]


def test_a_robot_is_blind_and_deaf_until_its_senses_are_there() -> None:
    rules = Rules()
    assert states(rules.take(percept(0.0))) == ["blind and deaf"]
    assert states(rules.take(health("vision", State.LIVE, seconds=0.1))) == ["deaf"]
    assert states(rules.take(health("audio", State.LIVE, seconds=0.2))) == ["nominal"]
    assert states(rules.take(health("vision", State.DEGRADED, "covered", 0.3))) == ["blind"]


def test_the_safety_state_is_repeated_every_second() -> None:
    rules = Rules()
    told = [message for n in range(26) for message in rules.take(percept(n / 5))]
    assert len(states(told)) == 6


def test_detections_carry_bearing_and_age_and_none_are_told_blind() -> None:
    rules = Rules()
    seen = [m for m in rules.take(percept(1.0, thing("cup"))) if m.topic == "/perception/detections"]
    assert seen[0].data["detections"][0] | {"box": None} == {
        "label": "cup",
        "score": 0.9,
        "box": None,
        "bearing_deg": 0.0,
    }
    assert seen[0].data["age_ms"] == 120.0
    assert not [m for m in rules.take(percept(1.2, sees=False)) if m.topic == "/perception/detections"]


def test_stop_is_obeyed_before_the_sentence_ends_and_only_once() -> None:
    rules = Rules()
    partial = rules.take(said("stop right", 1.0, final=False))
    assert [m.data["command"] for m in partial] == ["stop"]
    assert rules.take(said("stop right there", 1.2, final=False)) == []
    assert rules.take(said("turn left now", 2.0, final=False)) == []
    assert [m.data["command"] for m in rules.take(said("turn left now please", 2.2))] == ["turn left"]


def test_messages_go_to_mcap_under_their_topics(tmp_path: Path) -> None:
    sink = McapSink(tmp_path / "drive.mcap")
    for message in Rules().take(percept(1.0, thing("cup"))):
        sink.write(message)
    sink.close()
    entries = list(Recording(tmp_path / "drive.mcap"))
    assert [entry.topic for entry in entries] == ["/perception/detections", "/safety/state"]
    assert isinstance(entries[1].payload, bytes)
    assert json.loads(entries[1].payload)["state"] == "blind and deaf"


def test_several_cameras_have_topics_of_their_own(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", ["vision"], any_batch=True)
    stripes = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "wall.png"), stripes)
    words = ["robot", "--bundle", str(bundle), "--mic", "none", "--seconds", "2"]
    words += ["--camera", str(tmp_path / "wall.png"), "--camera", str(tmp_path / "wall.png"), "--camera", "missing.png"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    seen = {message["topic"] for message in messages if message["topic"].endswith("/detections")}
    assert seen == {"/perception/detections", "/camera1/perception/detections"}
    last = {message["topic"]: message["state"] for message in messages if message["topic"].endswith("/state")}
    assert last == {"/safety/state": "deaf", "/camera1/safety/state": "nominal", "/camera2/safety/state": "blind"}
