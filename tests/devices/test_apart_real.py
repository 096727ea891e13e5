"""A real sound card and a real RTSP camera in processes of their own, which are killed, stopped, and hang.

A camera of this machine (V4L2) is not tested: it needs a device, or a kernel module that makes one.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, TypeAlias

import pytest
from tests.devices.rtsp import RtspServer
from tests.devices.test_apart import LIMIT_S, gone

from sensorium.capture import Capture, SourceChanged
from sensorium.clock import MonotonicClock
from sensorium.samples import Sample
from sensorium.stream import Stream
from sensorium_devices.apart import Apart
from sensorium_devices.camera import CameraSettings
from sensorium_devices.factory import open_camera, open_microphone
from sensorium_devices.isolate import Isolate
from sensorium_devices.pulse import PulseServer

pytestmark = pytest.mark.usefixtures("no_leaks")

Trouble: TypeAlias = Literal["killed", "stopped"]
TROUBLES: tuple[Trouble, ...] = ("killed", "stopped")
REASONS = {"killed": "its process was ended by SIGKILL", "stopped": "gives nothing for"}
CLOCK = MonotonicClock()


class Attended:
    """A source with the thread that looks after it, and what became of it."""

    def __init__(self, source: Apart) -> None:
        self.source = source
        self.changes: list[SourceChanged] = []
        self._changed = threading.Condition()
        self.stream = Stream[Sample](128)
        self.capture = Capture(source, self.stream, CLOCK, self._report)

    def _report(self, change: SourceChanged) -> None:
        with self._changed:
            self.changes.append(change)
            self._changed.notify_all()

    def wait_for(self, holds: Callable[[list[str]], bool]) -> None:
        """Until it holds for the states so far."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds([c.state for c in self.changes]), LIMIT_S), self.changes

    def sample(self) -> Sample:
        """One that is captured from now on."""
        now_ns = CLOCK.now_ns()
        while True:
            sample = self.stream.take(LIMIT_S)
            assert sample is not None, self.changes
            if sample.captured_ns > now_ns:
                return sample


@contextmanager
def attended(source: object) -> Iterator[Attended]:
    assert isinstance(source, Apart)
    attended = Attended(source)
    attended.capture.start()
    try:
        attended.sample()
        yield attended
    finally:
        attended.capture.close()


def comes_back(watched: Attended, trouble: Trouble) -> None:
    """A fresh process goes on where the source's own one is killed or stopped."""
    first = watched.source.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL if trouble == "killed" else signal.SIGSTOP)
    watched.wait_for(lambda states: states.count("open") == 2)
    watched.sample()
    second = watched.source.process_id
    assert [change.state for change in watched.changes] == ["open", "lost", "open"]
    assert REASONS[trouble] in watched.changes[1].reason
    watched.capture.close()
    assert first != second
    assert gone(first)
    assert gone(second)


def hangs_and_comes_back(watched: Attended, hung: Callable[[], AbstractContextManager[None]]) -> None:
    """It is lost while the server holds its connection and sends nothing, and is back once it goes on."""
    with hung():
        watched.wait_for(lambda states: "lost" in states)
    watched.wait_for(lambda states: states[-1] == "open" and "lost" in states)
    watched.sample()
    last = watched.source.process_id
    watched.capture.close()
    assert gone(last)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_microphone_whose_process_is_killed_or_stopped_is_heard_again(pulse: PulseServer, trouble: Trouble) -> None:
    with attended(open_microphone("default", CLOCK, isolate=Isolate.ALWAYS)) as microphone:
        comes_back(microphone, trouble)


def test_a_microphone_whose_sound_server_hangs_is_lost_and_heard_again(pulse: PulseServer) -> None:
    with attended(open_microphone("default", CLOCK, isolate=Isolate.ALWAYS)) as microphone:
        hangs_and_comes_back(microphone, pulse.hung)


@pytest.fixture
def camera(rtsp: RtspServer) -> Iterator[Attended]:
    settings = CameraSettings(open_timeout_s=15)
    with attended(open_camera(rtsp.url, CLOCK, settings, isolate=Isolate.ALWAYS)) as watched:
        yield watched


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_rtsp_camera_whose_process_is_killed_or_stopped_is_seen_again(camera: Attended, trouble: Trouble) -> None:
    comes_back(camera, trouble)


def test_an_rtsp_camera_that_hangs_is_lost_and_seen_again(camera: Attended, rtsp: RtspServer) -> None:
    hangs_and_comes_back(camera, rtsp.hung)


def test_an_rtsp_camera_that_is_switched_off_and_on_is_seen_again(camera: Attended, rtsp: RtspServer) -> None:
    rtsp.kill()
    camera.wait_for(lambda states: "lost" in states)
    rtsp.start()
    camera.wait_for(lambda states: states[-1] == "open" and "lost" in states)
    camera.sample()
