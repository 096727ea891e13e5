"""The thread that speaks, into speakers that take their time, fail, or hang as the test wants."""

import logging
import queue
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from sensorium.clock import MonotonicClock
from sensorium.echo import EchoGuard
from sensorium.errors import SinkError
from sensorium.steps import Spoke
from sensorium.voice import Voice

LIMIT_S = 20.0
RATE_HZ = 16_000


class Words:
    """Speaks every word as a phrase of as many samples as it has letters; ``!`` is more than it can say."""

    rate_hz = RATE_HZ

    def stream(self, text: str) -> Iterator[NDArray[np.float32]]:
        for word in text.split():
            if word == "!":
                raise ValueError("cannot say !")
            yield np.full(len(word), 0.5, np.float32)


class Gate:
    """A speaker that is done with a phrase when the test says so, or it is stopped."""

    name = "gate"

    def __init__(self) -> None:
        self.writing = threading.Semaphore(0)  # one for every phrase that has begun
        self._changed = threading.Condition()
        self._open = False
        self._stopped = True
        self.started: list[int] = []
        self.heard: list[int] = []  # lengths of phrases that were not cut off
        self.closed = 0

    def open_gate(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def start(self, rate_hz: int) -> None:
        self.started.append(rate_hz)
        self._stopped = False

    def write(self, samples: NDArray[np.float32]) -> None:
        self.writing.release()
        with self._changed:
            assert self._changed.wait_for(lambda: self._open or self._stopped, LIMIT_S)
            if not self._stopped:
                self.heard.append(len(samples))

    def drain(self) -> None:
        """Nothing is buffered."""

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        self.closed += 1


class Broken(Gate):
    def start(self, rate_hz: int) -> None:
        raise SinkError("no loudspeaker")


class Stuck(Gate):
    """Its driver does not return."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, samples: NDArray[np.float32]) -> None:
        self.writing.release()
        self.let_go.wait()


class Speaking:
    """A running voice and what it reported."""

    def __init__(self, speaker: Gate) -> None:
        self._reports: queue.SimpleQueue[Spoke] = queue.SimpleQueue()
        self.voice = Voice(Words(), speaker, MonotonicClock(), EchoGuard(), self._reports.put)
        self.voice.start()

    def told(self, count: int) -> list[tuple[int, str]]:
        reports = [self._reports.get(timeout=LIMIT_S) for _ in range(count)]
        return [(report.reply_id, report.phase) for report in reports]


def test_a_text_is_said_phrase_by_phrase_and_its_progress_told() -> None:
    speaker = Gate()
    speaker.open_gate()
    speaking = Speaking(speaker)
    speaking.voice.say(1, "I see a cat")
    assert speaking.told(2) == [(1, "started"), (1, "finished")]
    speaking.voice.say(2, "yes")
    assert speaking.told(2) == [(2, "started"), (2, "finished")]
    speaking.voice.close()
    assert speaker.heard == [1, 3, 1, 3, 3]
    assert speaker.started == [RATE_HZ, RATE_HZ]


def test_hushing_stops_within_a_phrase_and_the_next_text_is_said_again() -> None:
    speaker = Gate()
    speaking = Speaking(speaker)
    speaking.voice.say(1, "a long story")
    assert speaker.writing.acquire(timeout=LIMIT_S)
    speaking.voice.hush()
    assert speaking.told(2) == [(1, "started"), (1, "stopped")]
    assert speaker.heard == []
    speaker.open_gate()
    speaking.voice.say(2, "yes")
    assert speaking.told(2) == [(2, "started"), (2, "finished")]
    speaking.voice.close()


def test_a_new_text_replaces_the_one_being_said_and_those_that_wait() -> None:
    speaker = Gate()
    speaking = Speaking(speaker)
    speaking.voice.say(1, "first")
    assert speaker.writing.acquire(timeout=LIMIT_S)
    speaking.voice.say(2, "second")
    speaking.voice.say(3, "third")
    speaker.open_gate()
    told: list[tuple[int, str]] = []
    while (3, "finished") not in told:
        told += speaking.told(1)
    assert told[:2] == [(1, "started"), (1, "stopped")]
    assert (2, "finished") not in told
    assert told[-2:] == [(3, "started"), (3, "finished")]
    speaking.voice.close()


def test_hushing_a_silent_voice_and_saying_nothing_are_harmless() -> None:
    speaker = Gate()
    speaker.open_gate()
    speaking = Speaking(speaker)
    speaking.voice.hush()
    speaking.voice.say(1, "")
    assert speaking.told(1) == [(1, "finished")]
    speaking.voice.close()
    speaking.voice.close()
    assert speaker.started == []


@pytest.mark.parametrize(
    ("speaker", "text", "reason"), [(Broken(), "hi", "no loudspeaker"), (Gate(), "!", "ValueError: cannot say !")]
)
def test_a_failure_is_told_with_its_reason_and_the_thread_lives_on(speaker: Gate, text: str, reason: str) -> None:
    reports: queue.SimpleQueue[Spoke] = queue.SimpleQueue()
    voice = Voice(Words(), speaker, MonotonicClock(), EchoGuard(), reports.put)
    voice.start()
    for reply in (1, 2):
        voice.say(reply, text)
        assert reports.get(timeout=LIMIT_S) == Spoke(reply, "failed", reason)
    voice.close()


def test_closing_stops_what_is_being_said_and_releases_the_speaker() -> None:
    speaker = Gate()
    speaking = Speaking(speaker)
    speaking.voice.say(1, "a long story")
    assert speaker.writing.acquire(timeout=LIMIT_S)
    speaking.voice.close()
    assert speaking.told(2) == [(1, "started"), (1, "stopped")]
    assert speaker.closed == 1


def test_a_speaker_that_never_returns_is_left_behind_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    speaker = Stuck()
    speaking = Speaking(speaker)
    speaking.voice.say(1, "hello")
    assert speaker.writing.acquire(timeout=LIMIT_S)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        speaking.voice.close()
    speaker.let_go.set()
    assert time.monotonic() - began < 1.0
    assert "the speaker gate does not return; left behind" in caplog.text
