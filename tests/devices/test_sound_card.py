"""A real PortAudio microphone and loudspeaker, by PulseAudio's null sink."""

import threading
import time

import numpy as np
import pytest
from tests.devices.helpers import read_all, read_until_lost
from tests.devices.leaks import nothing_left_open

from sensorium.clock import MonotonicClock
from sensorium.errors import SinkError, SourceError
from sensorium_devices.listing import list_devices
from sensorium_devices.loudspeaker import LoudSpeaker
from sensorium_devices.microphone import Microphone
from sensorium_devices.pulse import PulseServer, why_not

CLOCK = MonotonicClock()
BEEP = (0.5 * np.sin(2 * np.pi * 1_000 * np.arange(8_000) / 16_000)).astype(np.float32)  # half a second


def loud_seconds(microphone: Microphone, seconds: float) -> float:
    """How much of the next so many seconds is sound."""
    chunks = [chunk for _ in range(int(seconds / 0.032)) if (chunk := microphone.read()) is not None]
    return sum(float(np.abs(chunk.samples).max() > 0.1) * 0.032 for chunk in chunks)


def test_a_microphone_hears_what_is_played_at_its_rate_and_on_time(pulse: PulseServer) -> None:
    with nothing_left_open():
        microphone = Microphone("default", CLOCK)
        info = microphone.open()
        assert info.description.startswith("default, ")
        first = microphone.read()
        assert first is not None
        playing = pulse.start_playing(BEEP, 16_000)
        assert 0.3 < loud_seconds(microphone, 2.0) < 0.8  # half a second, and what a busy machine adds
        last = microphone.read()
        assert last is not None
        assert last.captured_ns - first.captured_ns == pytest.approx(last.seq * 32e6, abs=100e6)
        assert abs(CLOCK.now_ns() - last.captured_ns) < 500e6  # 80 ms on a machine with nothing else to do
        playing.wait(10)
        microphone.close()


def test_closing_a_microphone_ends_a_read_that_waits(pulse: PulseServer) -> None:
    with nothing_left_open():
        microphone = Microphone("default", CLOCK)
        microphone.open()
        reader = threading.Thread(target=read_all, args=(microphone,))
        reader.start()
        microphone.close()
        reader.join(5)
        assert not reader.is_alive()


def test_a_loudspeaker_is_heard_and_falls_silent_at_once(pulse: PulseServer) -> None:
    with nothing_left_open():
        microphone, speaker = Microphone("pulse", CLOCK), LoudSpeaker()
        microphone.open()
        speaker.start(16_000)
        speaker.write(BEEP)
        speaker.drain()
        assert 0.3 < loud_seconds(microphone, 1.0) < 0.8

        speaker.start(22_050)  # another rate, on the stream that is open
        talking = threading.Thread(target=lambda: (speaker.write(np.tile(BEEP, 20)), speaker.drain()))
        talking.start()
        assert loud_seconds(microphone, 0.6) > 0.2
        begin = time.monotonic()
        speaker.stop()
        talking.join(5)
        assert time.monotonic() - begin < 1.0
        assert loud_seconds(microphone, 1.0) < 0.4  # what the device itself still held
        speaker.close()
        speaker.close()
        microphone.close()


def test_devices_are_listed_and_an_unknown_one_is_answered_with_those_known(pulse: PulseServer) -> None:
    listed = list_devices()
    assert "default" in [entry.name for entry in listed.microphones]
    assert "default" in [entry.name for entry in listed.speakers]
    with pytest.raises(SourceError, match=r"no microphone 'moon'; known: default, \d+ \("):
        Microphone("moon", CLOCK).open()
    with pytest.raises(SinkError, match=r"no speaker '99'; known: default, \d+ \("):
        LoudSpeaker("99").start(16_000)


def test_a_microphone_whose_server_dies_is_lost_within_about_a_second() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no PulseAudio microphone here: {reason}")
    with PulseServer() as mortal, mortal.environment():
        microphone = Microphone("default", CLOCK)
        microphone.open()
        assert microphone.read() is not None
        mortal.kill()
        assert "gives no samples for 1 s" in str(read_until_lost(microphone))
        microphone.close()
        with pytest.raises(SourceError):
            microphone.open()
