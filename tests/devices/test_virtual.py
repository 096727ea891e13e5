import urllib.request

import numpy as np
import pytest
from tests.devices.helpers import number_of, numbered

from sensorium.clock import MonotonicClock
from sensorium_devices.camera import Camera
from sensorium_devices.virtual import MjpegServer, WavStreamServer

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_both_servers_come_back_on_the_same_port() -> None:
    for server in (MjpegServer([numbered(1)]), WavStreamServer()):
        server.start()
        server.start()
        url = server.url
        server.stop()
        server.stop()
        server.start()
        assert server.url == url
        assert url.startswith("http://127.0.0.1:")
        server.stop()


def test_the_last_of_a_list_of_pictures_stays() -> None:
    with MjpegServer([numbered(1), numbered(2)], fps=50) as server:
        camera = Camera(server.url, MonotonicClock())
        camera.open()
        frames = [camera.read() for _ in range(3)]
        camera.close()
    assert [number_of(frame.image) for frame in frames if frame is not None] == [2, 2, 2]


def test_speech_is_heard_once_whole_and_then_silence(wav_stream: WavStreamServer) -> None:
    with urllib.request.urlopen(wav_stream.url, timeout=5) as answer:
        answer.read(44)
        assert wav_stream.wait_heard(5)
        wav_stream.say(np.full(1_000, 0.5, np.float32))
        heard = np.frombuffer(answer.read(2 * 6_400), "<i2")
    assert np.count_nonzero(heard) == 1_000
    assert wav_stream.wait_said(5)


def test_what_is_said_while_it_is_cut_is_lost(wav_stream: WavStreamServer) -> None:
    wav_stream.stop()
    wav_stream.say(np.ones(16_000, np.float32))
    assert wav_stream.wait_said(0)
