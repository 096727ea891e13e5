import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.devices.helpers import read_until_lost

from sensorium.clock import MonotonicClock
from sensorium.errors import SourceError
from sensorium_devices.camera import Camera, CameraSettings

SYSTEM_PYTHON = Path("/usr/bin/python3")
SERVER = Path(__file__).with_name("rtsp_server.py")


@pytest.fixture
def rtsp() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of an RTSP camera, and its process."""
    if not SYSTEM_PYTHON.exists():
        pytest.skip("no system Python with GStreamer's bindings")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [SYSTEM_PYTHON, SERVER, str(port)],
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        if process.stdout.readline() != "ready\n":
            reason = process.stderr.read().strip().splitlines()[-1:]
            pytest.skip(f"GStreamer's RTSP server is not installed: {reason}")
        yield f"rtsp://127.0.0.1:{port}/camera", process
    finally:
        process.kill()
        process.communicate()


def test_an_rtsp_camera_opens_plays_and_is_lost_when_it_is_unplugged(
    rtsp: tuple[str, subprocess.Popen[str]], no_leaks: None
) -> None:
    url, process = rtsp
    camera = Camera(url, MonotonicClock(), CameraSettings(open_timeout_s=15, read_timeout_s=3))
    info = camera.open()
    assert info.description.startswith("320x240 at ")
    frames = [camera.read() for _ in range(5)]
    assert all(frame is not None and frame.image.max() > 200 for frame in frames)  # the ball is white
    process.kill()
    read_until_lost(camera)
    with pytest.raises(SourceError, match="cannot connect"):
        camera.open()
    camera.close()
