"""What is fuzzed: a function for each reader of something from outside, any bytes in."""

import hashlib
import json
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fuzz.check import Target

from sensorium.bundle import Bundle
from sensorium.clock import NS_PER_S
from sensorium.encoders.text import TextEncoder
from sensorium.errors import SourceError
from sensorium.events import to_json
from sensorium.jobs import Workshop
from sensorium.ladder import read_ladder
from sensorium.learned.config import parse_config
from sensorium.policy import read_policy
from sensorium.replay import replay
from sensorium.session import Parts
from sensorium_apps.journal import SETTINGS, STEPS, RecordedSession
from sensorium_compile.checkpoint import RECORD, WEIGHTS, load_weights, read_record
from sensorium_compile.lower.calibration import Calibration
from sensorium_compile.recipe import load_recipe
from sensorium_compile.report import parse_report
from sensorium_devices.camera import Camera, CameraSettings
from sensorium_devices.factory import open_sensor
from sensorium_devices.faults import Fault
from sensorium_devices.images import read_image
from sensorium_devices.microphone import Microphone
from sensorium_devices.readings import ReadingsInput
from sensorium_devices.recording import SAMPLE_ENCODING, SAMPLES, Recorder, Recording
from sensorium_devices.sound import read_audio
from sensorium_devices.text import TextInput

MOST_SAMPLES = 1000  # that are read of one input


class HurriedClock:
    """Ten seconds pass whenever it is asked: nothing that is paced is waited for."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        self._now_ns += 10 * NS_PER_S
        return self._now_ns


class Answering:
    """A server on loopback that answers every request with the same bytes, status line included, and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            with client:
                client.settimeout(1)
                try:
                    client.recv(65536)
                    client.sendall(self._answer)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):  # until the other side has it all: closing sooner would reset it
                        pass
                except OSError:
                    continue  # the other side hung up first


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _take(source: Any) -> None:
    """Open a source and read it to its end; raises SourceError where it gives nothing."""
    taken = 0
    try:
        source.open()
        while taken < MOST_SAMPLES and source.read() is not None:
            taken += 1
    except SourceError:
        if not taken:
            raise
    finally:
        source.close()


def _manifest(**part: Any) -> bytes:
    told = {"name": "x", "target": "any", "parts": {"part": {"role": "model", **part}}, "files": {}}
    return json.dumps({"schema_version": 1, **told}).encode()


def bundle(data: bytes, folder: Path) -> None:
    """A bundle that is one file."""
    with Bundle(_write(folder, "x.bundle", data), target="any") as opened:
        opened.golden()
        for name in opened.manifest.files:
            opened.read(name)


def manifest(data: bytes, folder: Path) -> None:
    """The manifest of a bundle that is a folder."""
    _write(folder, "manifest.json", data)
    Bundle(folder, target="any").close()


def golden(data: bytes, folder: Path) -> None:
    """Golden tensors, as whoever packs a bundle can write them."""
    told = json.loads(_manifest())
    told["files"] = {"golden.npz": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}}
    _write(folder, "golden.npz", data)
    _write(folder, "manifest.json", json.dumps(told).encode())
    with Bundle(folder, target="any") as opened:
        opened.golden()


def config(data: bytes, folder: Path) -> None:
    """The settings of a learned model: the ``config`` of its part."""
    text = data.decode(errors="surrogateescape").encode(errors="surrogateescape")
    _write(folder, "manifest.json", _manifest(config="HERE").replace(b'"HERE"', text))
    with Bundle(folder, target="any") as opened:
        for part in opened.find_all("model"):
            parse_config(part)


def recipe(data: bytes, folder: Path) -> None:
    load_recipe(str(_write(folder, "x.toml", data)))


def privacy(data: bytes, folder: Path) -> None:
    read_policy(_write(folder, "x.toml", data))


def ladder(data: bytes, folder: Path) -> None:
    read_ladder(_write(folder, "x.toml", data))


def fault(data: bytes, _: Path) -> None:
    """A fault on purpose, as an argument of the command line."""
    made = Fault.parse(_argument(data))
    assert Fault.parse(str(made)) == made


def sensor(data: bytes, _: Path) -> None:
    """What ``--sensor`` is given; what it names is not opened."""
    open_sensor(_argument(data), HurriedClock())


def readings(data: bytes, folder: Path) -> None:
    _take(ReadingsInput("smell", str(_write(folder, "x.csv", data)), HurriedClock()))


def lines(data: bytes, folder: Path) -> None:
    _take(TextInput(str(_write(folder, "x.txt", data)), HurriedClock()))


def sound(data: bytes, folder: Path) -> None:
    """A sound file, whole and then piece by piece."""
    path = _write(folder, "x.wav", data)  # its content says what it is, as ever
    read_audio(path)
    _take(Microphone(str(path), HurriedClock(), realtime=False))


def stdin(data: bytes, folder: Path) -> None:
    """Sound on standard input."""
    with _write(folder, "x", data).open("rb") as stream:
        _take(Microphone("-", HurriedClock(), realtime=False, stdin=stream.fileno()))


def network_sound(data: bytes, _: Path) -> None:
    """The answer of a network microphone."""
    with Answering(data) as server:
        _take(Microphone(server.url, HurriedClock()))


def picture(data: bytes, folder: Path) -> None:
    read_image(_write(folder, "x.png", data))  # its content says what it is, as ever


def video(data: bytes, folder: Path) -> None:
    _take(Camera(str(_write(folder, "x.mjpeg", data)), HurriedClock(), CameraSettings(realtime=False)))


def network_video(data: bytes, _: Path) -> None:
    """The answer of a network camera."""
    with Answering(data) as server:
        _take(Camera(server.url, HurriedClock(), CameraSettings(open_timeout_s=1.0, read_timeout_s=1.0)))


def recording(data: bytes, folder: Path) -> None:
    """A recording's file: what is in it, and what it leads to."""
    path = _write(folder, "x.mcap", data)
    for _ in Recording(path):
        pass
    _replay(path)


def sample(data: bytes, folder: Path) -> None:
    """A sample as a recording keeps it."""
    from mcap.writer import Writer

    with (folder / "x.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="", library="")
        channel = writer.register_channel(f"{SAMPLES}text", SAMPLE_ENCODING, schema_id=0)
        writer.add_message(channel, 0, data, 0)
        writer.finish()
    for _ in Recording(folder / "x.mcap"):
        pass


def steps(data: bytes, folder: Path) -> None:
    """A recording's JSON, a message a line: the settings, then the steps."""
    with Recorder(folder / "x.mcap") as recorder:
        for number, line in enumerate(data.split(b"\n")):
            recorder.message(STEPS if number else SETTINGS, line, number)
    _replay(folder / "x.mcap")


def record(data: bytes, folder: Path) -> None:
    _write(folder, RECORD, data)
    read_record(folder)


def weights(data: bytes, folder: Path) -> None:
    load_weights(_small_model(), _write(folder, WEIGHTS, data))


def calibration(data: bytes, folder: Path) -> None:
    Calibration.from_json(_write(folder, "x.json", data).read_bytes())


def report(data: bytes, _: Path) -> None:
    parse_report(data, "report.json")


def _argument(data: bytes) -> str:
    """As Python gives an argument that is no UTF-8."""
    return data.decode(errors="surrogateescape")


def _replay(path: Path) -> None:
    parts = Parts(encoders={"text": TextEncoder()}, fusion=None, workshop=Workshop())
    with RecordedSession(path) as recorded:
        for event in replay(recorded.settings, recorded.steps(), parts):
            json.loads(to_json(event), parse_constant=_not_json)


def _not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _small_model() -> Any:
    """A layer of every kind that takes on the widths of what was pruned."""
    from torch import nn

    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Linear(4, 4), nn.LayerNorm(4))


TARGETS = {
    "bundle": Target(bundle),
    "calibration": Target(calibration, kind="json"),
    "config": Target(config, kind="json"),
    "fault": Target(fault, kind="lines"),
    "golden": Target(golden),
    "ladder": Target(ladder, kind="toml"),
    "privacy": Target(privacy, kind="toml"),
    "lines": Target(lines),
    "manifest": Target(manifest, kind="json"),
    "network_sound": Target(network_sound),
    "network_video": Target(network_video),
    "picture": Target(picture, most_mb=640),
    "readings": Target(readings),
    "recipe": Target(recipe, kind="toml"),
    "record": Target(record, kind="json"),
    "recording": Target(recording),
    "report": Target(report, kind="json"),
    "sample": Target(sample),
    "sensor": Target(sensor, kind="lines"),
    "sound": Target(sound),
    "stdin": Target(stdin),
    "steps": Target(steps, kind="json"),
    "video": Target(video),
    "weights": Target(weights),
}
