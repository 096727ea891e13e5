"""Devices for tests. Others reuse them: ``from tests.devices.conftest import pulse, mjpeg, wav_stream``."""

from collections.abc import Iterator

import pytest
from tests.devices.helpers import counting
from tests.devices.leaks import nothing_left_open
from tests.devices.rtsp import RtspServer

from sensorium_devices import pulse as pulse_server
from sensorium_devices.pulse import PulseServer
from sensorium_devices.virtual import MjpegServer, WavStreamServer


@pytest.fixture(scope="module")
def pulse() -> Iterator[PulseServer]:
    """A PulseAudio server whose microphone hears what is played into it; it is ``default`` for PortAudio."""
    reason = pulse_server.why_not()
    if reason is not None:
        pytest.skip(f"no PulseAudio microphone here: {reason}")
    with PulseServer() as server, server.environment():
        yield server


@pytest.fixture
def mjpeg() -> Iterator[MjpegServer]:
    """A network camera on loopback that shows 1, 2, 3, ... at 20 fps."""
    with MjpegServer(counting(), fps=20) as server:
        yield server


@pytest.fixture
def rtsp() -> Iterator[RtspServer]:
    """A network camera on loopback that speaks RTSP: GStreamer's server, with a white ball that moves."""
    with RtspServer() as server:
        reason = server.why_not()
        if reason is not None:
            pytest.skip(f"no RTSP camera here: {reason}")
        yield server


@pytest.fixture
def wav_stream() -> Iterator[WavStreamServer]:
    """A network microphone on loopback."""
    with WavStreamServer(room_dbfs=float("-inf")) as server:  # silence, so that what is said stands out
        yield server


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """The test fails when it leaves a thread or a descriptor behind; list it first."""
    with nothing_left_open():
        yield
