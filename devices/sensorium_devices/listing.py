"""Which cameras, microphones and speakers this machine has, without opening any of them."""

import sys
from dataclasses import dataclass
from pathlib import Path

from sensorium.errors import SourceError
from sensorium_devices.opencv import load_opencv
from sensorium_devices.portaudio import SECTION, Direction, NoDeviceError, devices, portaudio

VIDEO_NODES = Path("/sys/class/video4linux")


@dataclass(frozen=True, slots=True)
class CameraEntry:
    """A camera of this machine; ``uri`` is what opens it."""

    uri: str
    name: str


@dataclass(frozen=True, slots=True)
class SoundEntry:
    """A microphone or speaker of this machine; ``uri`` is what opens it."""

    uri: str
    name: str
    channels: int
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Devices:
    """All of them, and for each kind that cannot be listed the reason."""

    cameras: tuple[CameraEntry, ...]
    microphones: tuple[SoundEntry, ...]
    speakers: tuple[SoundEntry, ...]
    problems: tuple[str, ...]


def list_devices(video_nodes: Path = VIDEO_NODES) -> Devices:
    """What is there now; never raises, and wakes no camera."""
    problems: list[str] = []
    try:
        load_opencv()
    except SourceError as err:
        problems.append(f"cameras: {err}")
    if sys.platform != "linux":
        problems.append("cameras: can be listed on Linux only; try 0, 1, ...")
    microphones: tuple[SoundEntry, ...] = ()
    speakers: tuple[SoundEntry, ...] = ()
    try:
        with portaudio() as audio:
            microphones = tuple(_entries(audio, "input"))
            speakers = tuple(_entries(audio, "output"))
    except NoDeviceError as err:
        problems.append(f"microphones and speakers: {err}")
    return Devices(tuple(_cameras(video_nodes)), microphones, speakers, tuple(problems))


def _cameras(nodes: Path) -> list[CameraEntry]:
    """Linux numbers a camera's nodes; index 0 gives pictures, the others metadata."""
    found = []
    for node in sorted(nodes.glob("video*"), key=lambda node: (len(node.name), node.name)):
        if _line(node / "index", "0") == "0":
            number = node.name.removeprefix("video")
            found.append(CameraEntry(number, _line(node / "name", "camera")))
    return found


def _line(path: Path, default: str) -> str:
    try:
        return path.read_text(errors="replace").strip() or default
    except OSError:  # an older kernel does not tell
        return default


def _entries(audio: object, direction: Direction) -> list[SoundEntry]:
    return [
        SoundEntry(
            str(device["index"]),
            str(device["name"]),
            int(device[SECTION[direction]]),
            round(device["defaultSampleRate"]),
        )
        for device in devices(audio, direction)
    ]
