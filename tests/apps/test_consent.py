"""Consent and policies as the apps take them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sensorium.bundle.loaded import host_target
from sensorium.clock import VirtualClock
from sensorium.errors import PrivacyError
from sensorium.policy import FAITHFUL, PRIVATE, PrivacyPolicy
from sensorium.samples import Line
from sensorium_apps.app import app
from sensorium_apps.consent import BY_TYPING, Typed
from sensorium_apps.live import Inputs, open_sources
from sensorium_apps.options import policy
from sensorium_apps.robot import HEARD, Message
from sensorium_compile.pack import pack
from sensorium_devices.recording import Recording
from sensorium_devices.text import TextInput


def test_typed_commands_change_consent_and_are_no_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["/consent no", "What is it?", "/consent perhaps", "/consent  YES", "/consented?"]
    (tmp_path / "typed.txt").write_text("\n".join(lines))
    told: list[tuple[bool, str]] = []
    typed = Typed(TextInput(str(tmp_path / "typed.txt"), VirtualClock()), lambda *change: told.append(change))
    typed.open()
    read = []
    while isinstance(line := typed.read(), Line):
        read.append(line.text)
    typed.close()
    assert read == ["What is it?", "/consented?"]
    assert told == [(False, BY_TYPING), (True, BY_TYPING)]
    assert "say /consent yes or /consent no" in capsys.readouterr().err


def test_options_change_the_policy_of_the_file(tmp_path: Path) -> None:
    assert policy(None) == PRIVATE
    assert policy(None, keep_faces=True, keep_voice=True) == FAITHFUL
    (tmp_path / "p.toml").write_text('keep = ["events"]\nkeep_days = 3')
    assert policy(tmp_path / "p.toml", keep_voice=True) == PrivacyPolicy(keep=("audio", "events"), keep_days=3)
    assert policy(tmp_path / "p.toml", keep_days=9, await_consent=True).keep_days == 9


def test_a_policy_without_network_refuses_an_address_and_hides_its_password() -> None:
    offline = PrivacyPolicy(network="none")
    with pytest.raises(PrivacyError, match=r"rtsp://me:\*\*\*@camera/live: the privacy policy has network = \"none\""):
        open_sources(Inputs(camera="rtsp://me:secret@camera/live", privacy=offline), VirtualClock())
    with pytest.raises(PrivacyError):
        open_sources(Inputs(mic="http://mic/", privacy=offline), VirtualClock())
    assert len(open_sources(Inputs(camera="photo.jpg", privacy=offline), VirtualClock())) == 1


@pytest.mark.parametrize("command", ["run", "headset", "robot", "kiosk"])
def test_a_policy_that_makes_no_sense_is_one_clear_error(command: str, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("keep = 7")
    done = CliRunner().invoke(app, [command, "--privacy", str(tmp_path / "p.toml")])
    assert done.exit_code == 1
    assert "keep: Input should be a valid tuple; given 7" in done.output


def test_what_a_robot_heard_is_words_and_what_it_saw_is_events() -> None:
    assert Message(HEARD, 0, {}).kind == "text"
    assert Message("/perception/detections", 0, {}).kind == "events"


def test_what_is_typed_while_consent_is_taken_back_is_not_recorded(tmp_path: Path) -> None:
    pack("empty", host_target(), {}, tmp_path / "bundle")
    (tmp_path / "typed.txt").write_text("Hello!\n/consent no\nWhere is my treasure?\n/consent yes\nWhat do you see?\n")
    kept = tmp_path / "kept.mcap"
    senses = ["--camera", "none", "--mic", "none", "--speaker", "none", "--text", str(tmp_path / "typed.txt")]
    run = CliRunner().invoke(app, ["run", "--bundle", str(tmp_path / "bundle"), *senses, "--record", str(kept)])
    assert run.exit_code == 0, run.output
    assert "Where is my treasure?" in run.output
    assert not [e for e in Recording(kept) if b"treasure" in (e.payload if isinstance(e.payload, bytes) else b"")]
    assert not [e for e in Recording(kept) if isinstance(e.payload, Line) and "treasure" in e.payload.text]
    replayed = CliRunner().invoke(app, ["replay", str(kept), "--bundle", str(tmp_path / "bundle")])
    assert replayed.exit_code == 0, replayed.output
    assert "consent to keep what is seen and heard: no, by a typed command" in replayed.output
