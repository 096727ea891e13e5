"""A whole session's threads, on small sources and encoders that do as the test wants; no graph, no device."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sensorium.core import CoreSettings
from sensorium.encoders import Encoder
from sensorium.encoders.text import TextEncoder
from sensorium.errors import RecordingError, SourceError
from sensorium.events import Event, Fault, HealthChanged, Percept, Reply, Thing, Utterance
from sensorium.health import State
from sensorium.jobs import Workshop
from sensorium.ladder import Rung
from sensorium.policy import FAITHFUL
from sensorium.samples import Frame, Sample
from sensorium.session import KEPT_EVENTS, Parts, Session, SessionSettings
from sensorium.source import Source, SourceInfo
from sensorium.steps import Finding, Step

LIMIT_S = 30.0
TOP = (Rung("full"),)  # a busy machine is late, and would have pictures left out
FAST = SessionSettings(tick_ms=5.0, ladder=TOP)
PICTURE = np.zeros((2, 2, 3), np.uint8)
CAT = Thing("cat", 0.9, (0.1, 0.1, 0.5, 0.5))


class Camera:
    """Gives a picture whenever it is asked, up to ``count``; then waits for the end."""

    modality = "vision"
    name = "fake camera"
    finite = False

    def __init__(self, count: int = 1_000_000, period_s: float = 0.002) -> None:
        self._count, self._period_s = count, period_s
        self._closed = threading.Event()
        self.given = 0
        self.done = threading.Event()

    def open(self) -> SourceInfo:
        self._closed.clear()
        return SourceInfo("a fake", round(self._period_s * 1e9))

    def read(self) -> Sample | None:
        if self.given == self._count:
            self.done.set()
            self._closed.wait()
        if self._closed.wait(self._period_s):
            return None
        self.given += 1
        return Frame(time.monotonic_ns(), self.given, PICTURE)

    def close(self) -> None:
        self._closed.set()


class Missing(Camera):
    name = "missing camera"

    def open(self) -> SourceInfo:
        raise SourceError("camera 7: does not exist")


class Hanging(Camera):
    """Its driver never returns from a read, whatever is done."""

    name = "hanging camera"

    def __init__(self) -> None:
        super().__init__()
        self.reading = threading.Event()
        self.let_go = threading.Event()

    def read(self) -> Sample | None:
        self.reading.set()
        self.let_go.wait()
        return None


class SlowToClose(Camera):
    """Its driver takes long to let go."""

    name = "slow camera"

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def close(self) -> None:
        super().close()
        self.let_go.wait()


class Looking:
    """Sees a cat in every picture."""

    modality = "vision"

    def encode(self, sample: Sample) -> Finding:
        return Finding("vision", sample.captured_ns, things=(CAT,), names=())


class Failing(Looking):
    """Cannot look at the first pictures."""

    def __init__(self, failures: int) -> None:
        self._left = failures

    def encode(self, sample: Sample) -> Finding:
        self._left -= 1
        if self._left >= 0:
            raise RuntimeError("no memory")
        return super().encode(sample)


class Waiting(Looking):
    """Looks at a picture when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()

    def encode(self, sample: Sample) -> Finding:
        self.begun.release()
        self.go_on.wait(LIMIT_S)
        return super().encode(sample)


class FullDisk:
    """A journal that fails at the n-th step."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.closed = 0

    def begin(self, settings: CoreSettings) -> None:
        """Nothing to keep."""

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        self.room -= 1
        if self.room < 0:
            raise RecordingError("recording x: No space left on device")

    def event(self, event: Event) -> None:
        """Nothing to keep."""

    def close(self) -> None:
        self.closed += 1


class BrokenFusion:
    def fuse(self, *_: object) -> Any:
        raise ArithmeticError("a fault of our own")


def parts(*encoders: Encoder) -> Parts:
    return Parts({e.modality: e for e in (TextEncoder(), *encoders)}, fusion=None, workshop=Workshop())


def session(*sources: Source, encoder: Encoder | None = None, **more: Any) -> Session:
    more.setdefault("settings", FAST)
    return Session(parts(encoder or Looking()), sources, **more)


def wait(running: Session, wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while (event := running.next_event(max(0.0, deadline - time.monotonic()))) is not None:
        if wanted(event):
            return event
    raise AssertionError("it did not come")


def _vision(state: State) -> Callable[[Any], bool]:
    return lambda e: isinstance(e, HealthChanged) and (e.modality, e.state) == ("vision", state)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + LIMIT_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert set(threading.enumerate()) <= before


def test_every_tick_is_answered() -> None:
    told: list[Event] = []
    with session(Camera()) as running:
        while sum(isinstance(event, Percept) for event in told) < 30:
            event = running.next_event(LIMIT_S)
            assert event is not None
            told.append(event)
    told += list(running)
    percepts = [event.seq for event in told if isinstance(event, Percept)]
    assert percepts == list(range(1, running.ticks + 1))
    assert running.events_dropped == 0


def test_every_picture_was_looked_at_dropped_or_waits_and_is_counted() -> None:
    camera, encoder = Camera(count=50), Waiting()
    with session(camera, encoder=encoder) as running:
        assert encoder.begun.acquire(timeout=LIMIT_S)
        assert camera.done.wait(LIMIT_S)
        counts = running.counts["vision"]
        assert (counts.put, counts.taken, counts.dropped, counts.waiting) == (50, 1, 48, 1)
        encoder.go_on.set()
        assert encoder.begun.acquire(timeout=LIMIT_S)
        assert replace(running.counts["vision"], waiting=0) == replace(counts, taken=2, waiting=0)


def test_what_is_seen_is_answered_from_and_a_missing_sense_is_told() -> None:
    with session(Camera()) as running:
        wait(running, lambda e: isinstance(e, Percept) and e.things == (CAT,))
        running.say("What do you see?")
        assert wait(running, lambda e: isinstance(e, Utterance)).text == "What do you see?"
        assert "cat" in wait(running, lambda e: isinstance(e, Reply)).text
        running.say("Can you hear me?")
        assert "no microphone" in wait(running, lambda e: isinstance(e, Reply)).text


def test_a_percept_follows_a_change_of_presence_at_once() -> None:
    settings = SessionSettings(tick_ms=2 * LIMIT_S * 1000)  # no other percept within the test
    with session(Camera(), settings=settings) as running:
        senses = wait(running, lambda e: isinstance(e, Percept) and e.senses["vision"].state is State.LIVE).senses
        assert senses["audio"].state is State.ABSENT


def test_a_source_that_does_not_open_is_an_absent_modality_with_its_reason() -> None:
    with session(Missing()) as running:
        assert wait(running, _vision(State.ABSENT)).reason == "camera 7: does not exist"
        assert wait(running, lambda e: isinstance(e, Percept)).senses["vision"].state is State.ABSENT


def test_a_failing_encoder_is_told_once_and_degrades_its_modality_until_it_works_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with session(Camera(), encoder=Failing(20)) as running:
        assert wait(running, _vision(State.DEGRADED)).reason == "failing"
        fault = wait(running, lambda e: isinstance(e, Fault))
        assert (fault.where, fault.reason) == ("vision", "encoder: RuntimeError: no memory")
        between: list[Event] = []
        wait(running, lambda e: between.append(e) or _vision(State.LIVE)(e))
        assert not [e for e in between if isinstance(e, Fault)]
        wait(running, lambda e: isinstance(e, Percept) and e.things == (CAT,))
    assert "the vision encoder failed" in caplog.text


def test_who_reads_no_event_blocks_nothing_and_what_he_missed_is_counted() -> None:
    with session(Camera(), settings=SessionSettings(tick_ms=0.2, ladder=TOP)) as running:
        deadline = time.monotonic() + LIMIT_S
        camera = running.counts["vision"]
        while running.events_dropped == 0 and time.monotonic() < deadline:
            threading.Event().wait(0.05)  # somebody who does other things
        assert running.events_dropped > 0
        assert running.counts["vision"].put > camera.put
    assert len(list(running)) == KEPT_EVENTS


def test_iteration_ends_when_the_session_is_closed() -> None:
    with session(Camera()) as running:
        reader = threading.Thread(target=lambda: list(running))
        reader.start()
        wait(running, lambda e: isinstance(e, Percept))
    reader.join(LIMIT_S)
    assert not reader.is_alive()
    assert list(running) == []
    assert running.next_event() is None


def test_async_iteration_gives_the_events_and_ends_when_the_session_is_closed() -> None:
    async def percepts(running: Session) -> int:
        count = 0
        async for event in running:
            count += isinstance(event, Percept)
            if count == 3:
                running.close()
        return count

    with session() as running:
        assert asyncio.run(percepts(running)) >= 3


def test_closing_takes_less_than_a_second_and_twice_is_fine() -> None:
    running = session(Camera(), encoder=Looking())
    with running:
        wait(running, lambda e: isinstance(e, Percept))
        began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("camera", [Hanging(), SlowToClose()], ids=["read", "close"])
def test_a_driver_that_never_returns_is_left_behind_and_the_log_says_so(
    camera: Hanging | SlowToClose, caplog: pytest.LogCaptureFixture
) -> None:
    running = session(camera)
    with caplog.at_level(logging.WARNING), running:
        if isinstance(camera, Hanging):
            assert camera.reading.wait(LIMIT_S)
        else:
            wait(running, _vision(State.LIVE))
        began = time.monotonic()
    assert time.monotonic() - began < 1.2  # a second, and what a busy machine adds
    camera.let_go.set()
    assert "left behind" in caplog.text
    assert camera.name in caplog.text


def test_a_full_disk_ends_the_recording_and_not_the_session() -> None:
    journal = FullDisk(room=3)
    with session(Camera(), journal=journal) as running:
        fault = wait(running, lambda e: isinstance(e, Fault))
        assert (fault.where, fault.reason) == ("recording", "recording x: No space left on device")
        wait(running, lambda e: isinstance(e, Percept))
    assert journal.closed == 1


def test_a_fault_of_our_own_in_the_loop_reaches_who_reads_the_events() -> None:
    broken = replace(parts(Looking()), fusion=BrokenFusion())
    with Session(broken, [], settings=FAST) as running, pytest.raises(ArithmeticError, match="a fault of our own"):
        for _ in running:
            pass


class BrokenJournal(FullDisk):
    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        if sample is not None:
            raise ArithmeticError("a fault of our own")


def test_a_fault_of_our_own_with_a_finding_reaches_who_reads_the_events() -> None:
    running = session(Camera(), journal=BrokenJournal(room=1), privacy=FAITHFUL)
    with running, pytest.raises(ArithmeticError, match="a fault of our own"):
        for _ in running:
            pass


def test_a_session_that_was_never_entered_can_be_closed() -> None:
    running = session(Camera())
    running.close()
    assert list(running) == []
