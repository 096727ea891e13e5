import pytest
from tests.devices.helpers import read_until_lost
from tests.devices.rtsp import RtspServer

from sensorium.clock import MonotonicClock
from sensorium.errors import SourceError
from sensorium_devices.camera import Camera, CameraSettings


def test_an_rtsp_camera_opens_plays_and_is_lost_when_it_is_unplugged(rtsp: RtspServer, no_leaks: None) -> None:
    camera = Camera(rtsp.url, MonotonicClock(), CameraSettings(open_timeout_s=15, read_timeout_s=3))
    info = camera.open()
    assert info.description.startswith("320x240 at ")
    frames = [camera.read() for _ in range(5)]
    assert all(frame is not None and frame.image.max() > 200 for frame in frames)  # the ball is white
    rtsp.kill()
    read_until_lost(camera)
    with pytest.raises(SourceError, match="cannot connect"):
        camera.open()
    camera.close()
