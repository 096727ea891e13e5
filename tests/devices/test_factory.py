from pathlib import Path

from sensorium.clock import VirtualClock
from sensorium_devices.camera import Camera
from sensorium_devices.factory import open_camera, open_microphone, open_speaker, open_text
from sensorium_devices.listing import CameraEntry, list_devices
from sensorium_devices.loudspeaker import LoudSpeaker
from sensorium_devices.microphone import Microphone
from sensorium_devices.speaker import NullSpeaker, WavSpeaker
from sensorium_devices.text import TextInput

CLOCK = VirtualClock()


def test_none_is_no_source_and_a_silent_sink() -> None:
    assert open_camera("none", CLOCK) is None
    assert open_microphone("none", CLOCK) is None
    assert open_text("none", CLOCK) is None
    assert isinstance(open_speaker("none"), NullSpeaker)


def test_every_other_word_is_a_device_named_as_it_was_written() -> None:
    assert isinstance(open_camera("0", CLOCK), Camera)
    assert isinstance(open_microphone("default", CLOCK), Microphone)
    assert isinstance(open_text("-", CLOCK), TextInput)
    assert isinstance(open_speaker("default"), LoudSpeaker)
    assert isinstance(open_speaker("said.wav"), WavSpeaker)
    assert isinstance(open_speaker("answers/"), WavSpeaker)
    camera = open_camera("http://127.0.0.1:1/", CLOCK)
    assert camera is not None
    assert (camera.name, camera.modality, camera.finite) == ("http://127.0.0.1:1/", "vision", False)


def test_which_sources_end_by_themselves(tmp_path: Path) -> None:
    (tmp_path / "talk").write_bytes(b"")
    endings = {
        "default": False,
        "2": False,
        "http://h/": False,
        "-": True,
        "a.wav": True,
        f"{tmp_path}/talk": True,
    }
    assert {uri: Microphone(uri, CLOCK).finite for uri in endings} == endings
    endings = {"0": False, "rtsp://h/": False, "/dev/video0": False, "a.mp4": True, "a.jpg": False, ".": True}
    assert {uri: Camera(uri, CLOCK).finite for uri in endings} == endings


def test_cameras_are_listed_by_what_the_kernel_tells_without_opening_them(tmp_path: Path) -> None:
    for node, index, name in (
        ("video0", 0, "Webcam"),
        ("video1", 1, "Webcam"),
        ("video10", 0, "Capture card"),
    ):
        (tmp_path / node).mkdir()
        (tmp_path / node / "index").write_text(f"{index}\n")
        (tmp_path / node / "name").write_text(f"{name}\n")
    cameras = list_devices(video_nodes=tmp_path).cameras
    assert cameras == (CameraEntry("0", "Webcam"), CameraEntry("10", "Capture card"))
    assert list_devices(video_nodes=tmp_path / "none").cameras == ()
