from pathlib import Path

import numpy as np
import pytest
from tests.apps.samples_of_events import health, percept, reply, said, thing

from sensorium.errors import SinkError
from sensorium.health import State
from sensorium_apps.headset import Overlay, Pictures, Rules
from sensorium_devices.images import read_image


def test_only_sure_things_are_labelled_and_few_of_them() -> None:
    things = [thing(f"thing {n}", 0.3 + n / 20) for n in range(10)]
    overlay = Rules().take(percept(0.0, *things))
    assert overlay is not None
    assert [t.label for t in overlay.labels] == ["thing 9", "thing 8", "thing 7", "thing 6", "thing 5"]


def test_labels_go_when_the_camera_does_and_the_wearer_is_told() -> None:
    rules = Rules()
    rules.take(percept(0.0, thing("cup")))
    rules.take(health("vision", State.ABSENT, "camera 0: it was disconnected", 0.1))
    overlay = rules.take(percept(0.2, thing("cup"), sees=False))
    assert overlay == Overlay(notice="camera 0: it was disconnected")


def test_speech_is_captioned_as_it_is_said_and_the_caption_goes() -> None:
    rules = Rules()
    captions = [rules.take(e) for e in (said("what", 1.0, final=False), said("what is it", 2.0), percept(7.0))]
    assert [c.caption for c in captions if c] == ["you: what …", "you: what is it", ""]


def test_an_answer_stays_long_enough_to_be_read() -> None:
    rules = Rules()
    rules.take(reply("It is a cup.", 1.0))
    assert rules.take(percept(8.0)) is None
    assert rules.take(percept(9.1)) == Overlay()


def test_an_unchanged_overlay_is_not_told_again() -> None:
    rules = Rules()
    assert rules.take(percept(0.0, thing("cup"))) is not None
    assert rules.take(percept(0.2, thing("cup"))) is None


def test_pictures_carry_the_overlay(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "overlay")
    grey = np.full((120, 160, 3), 90, np.uint8)
    pictures.show(grey, Overlay())
    pictures.show(grey, Overlay((thing("cup"),), "you: is that a café …", "microphone muted"))
    plain, drawn = (read_image(tmp_path / "overlay" / f"overlay-00000{n}.jpg") for n in range(2))
    assert np.abs(plain.astype(int) - 90).max() < 4
    assert np.abs(drawn.astype(int) - 90).max() > 100


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SinkError, match="file"):
        Pictures(tmp_path / "file" / "overlay")
