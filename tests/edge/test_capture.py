"""Who looks after a source, on sources that open, fail, end and hang as the test wants."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from sensorium.capture import Capture, SourceChanged, Timekeeper, retry_after_s
from sensorium.clock import NS_PER_MS, NS_PER_S, MonotonicClock
from sensorium.encoding import QUICK_NS, QUICK_RUNS, Encoding
from sensorium.errors import SourceError
from sensorium.guard import Guarded, Patience
from sensorium.samples import Array, Line, Sample
from sensorium.source import Source, SourceInfo
from sensorium.stream import Counts, Stream

LIMIT_S = 20.0
INFO = SourceInfo("scripted", 0)
Act = str | Exception  # a line to give, or what to raise


class Scripted:
    """Each opening plays one script: an exception first is raised by ``open``, a later one by ``read``."""

    modality = "text"
    name = "scripted"

    def __init__(self, *scripts: Sequence[Act], finite: bool = False) -> None:
        self.finite = finite
        self._scripts = iter(scripts)
        self._acts: list[Act] = []
        self._closed = threading.Event()
        self.opened = self.closed = 0

    def open(self) -> SourceInfo:
        self.opened += 1
        self._closed.clear()
        self._acts = list(next(self._scripts, [SourceError("nothing more")]))
        if self._acts and isinstance(self._acts[0], Exception):
            raise self._acts[0]
        return INFO

    def read(self) -> Sample | None:
        if not self._acts:
            if not self.finite:
                self._closed.wait()
            return None
        act = self._acts.pop(0)
        if isinstance(act, Exception):
            raise act
        return Line(0, 0, act)

    def close(self) -> None:
        self.closed += 1
        self._closed.set()


class Hanging:
    """A driver that never comes back from a read, whatever is done."""

    modality, name, finite = "text", "hanging", False

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.let_go = threading.Event()

    def open(self) -> SourceInfo:
        return INFO

    def read(self) -> Sample | None:
        self.reading.set()
        self.let_go.wait()
        return None

    def close(self) -> None:
        """Does not help."""


def _told(source: Scripted, enough: Callable[[list[SourceChanged]], bool]) -> tuple[list[SourceChanged], list[str]]:
    """What a capture reported until that was enough, and the lines that came."""
    changes: queue.SimpleQueue[SourceChanged] = queue.SimpleQueue()
    stream: Stream[Sample] = Stream(100)
    capture = Capture(source, stream, MonotonicClock(), changes.put)
    capture.start()
    told: list[SourceChanged] = []
    while not enough(told):
        told.append(changes.get(timeout=LIMIT_S))
    capture.close()
    lines = [stream.take(0) for _ in range(stream.counts.waiting)]
    return told, [line.text for line in lines if isinstance(line, Line)]


def test_a_source_is_opened_read_and_its_end_is_no_failure() -> None:
    source = Scripted(["a", "b"], finite=True)
    told, lines = _told(source, lambda told: len(told) == 2)
    assert told == [
        SourceChanged("text", "open", info=INFO),
        SourceChanged("text", "ended", "scripted has ended"),
    ]
    assert lines == ["a", "b"]
    assert (source.opened, source.closed >= 1) == (1, True)


def test_a_source_that_is_lost_is_opened_again_and_its_samples_go_on() -> None:
    source = Scripted(["a", SourceError("unplugged")], ["b", SourceError("unplugged again")], [])
    told, lines = _told(source, lambda told: [t.state for t in told].count("open") == 3)
    assert [(t.state, t.reason) for t in told] == [
        ("open", ""),
        ("lost", "unplugged"),
        ("open", ""),
        ("lost", "unplugged again"),
        ("open", ""),
    ]
    assert lines == ["a", "b"]


def test_an_outage_is_told_once_however_often_it_is_tried_to_open() -> None:
    gone = SourceError("no such device")
    source = Scripted(["a", SourceError("unplugged")], [gone], [gone], [gone], ["b"])
    told, _ = _told(source, lambda told: [t.state for t in told].count("open") == 2)
    assert [(t.state, t.reason) for t in told] == [("open", ""), ("lost", "unplugged"), ("open", "")]
    assert source.opened == 5


def test_a_source_that_opens_but_gives_nothing_is_lost_again_after_every_opening() -> None:
    class Dead(Scripted):
        def read(self) -> Sample | None:
            raise OSError("no frame")

    told, _ = _told(Dead(*[["a"]] * 9), lambda told: len(told) == 6)
    assert [change.state for change in told] == ["open", "lost"] * 3


def test_a_source_that_is_closed_while_it_opens_is_not_read() -> None:
    class SlowToOpen(Scripted):
        def __init__(self) -> None:
            super().__init__([])
            self.opening, self.go_on, self.read_from = threading.Event(), threading.Event(), False

        def open(self) -> SourceInfo:
            self.opening.set()
            self.go_on.wait(LIMIT_S)
            return super().open()  # forgets that it was closed, as a device that opens does

        def read(self) -> Sample | None:
            self.read_from = True
            return super().read()

    source = SlowToOpen()
    capture = Capture(source, Stream(1), MonotonicClock(), lambda _: None)
    capture.start()
    assert source.opening.wait(LIMIT_S)
    closing = threading.Thread(target=capture.close)
    closing.start()
    while not source.closed:
        closing.join(0.001)
    source.go_on.set()
    closing.join(LIMIT_S)
    assert not source.read_from


def test_a_source_that_never_opens_tells_its_first_reason() -> None:
    told, _ = _told(Scripted([SourceError("no such device")], ["a"]), lambda told: len(told) == 2)
    assert [(t.state, t.reason) for t in told] == [("lost", "no such device"), ("open", "")]


def test_a_drivers_own_exception_is_an_outage_with_its_name(caplog: pytest.LogCaptureFixture) -> None:
    source = Scripted([ZeroDivisionError("fps")], ["a"])
    told, _ = _told(source, lambda told: len(told) == 2)
    assert told[0] == SourceChanged("text", "lost", "scripted: ZeroDivisionError: fps")
    assert told[1].state == "open"
    assert "scripted failed" in caplog.text


def test_a_live_source_that_just_stops_is_lost_and_not_ended() -> None:
    class Stopping(Scripted):
        def read(self) -> Sample | None:
            return None

    told, _ = _told(Stopping([], []), lambda told: len(told) == 2)
    assert (told[1].state, told[1].reason) == ("lost", "scripted stopped")


def test_closing_while_it_waits_to_try_again_ends_at_once() -> None:
    capture = Capture(Scripted(), Stream(1), MonotonicClock(), lambda _: None)
    capture.start()
    began = time.monotonic()
    capture.close()
    capture.close()
    assert time.monotonic() - began < 1.0


def test_a_read_that_never_returns_is_left_behind_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    source = Hanging()
    capture = Capture(source, Stream(1), MonotonicClock(), lambda _: None)
    capture.start()
    assert source.reading.wait(LIMIT_S)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        capture.close()
    source.let_go.set()
    assert time.monotonic() - began < 1.0
    assert "hanging: its driver does not return from a read; left behind" in caplog.text


def test_a_read_that_never_returns_keeps_no_other_thread() -> None:
    source = Hanging()
    capture, _, _ = _encoded(source, lambda _: None)
    assert source.reading.wait(LIMIT_S)
    capture.close()
    assert [thread.is_alive() for thread in capture.threads].count(True) == 1
    source.let_go.set()


def test_tries_to_open_come_soon_after_a_short_outage_and_rarely_in_a_long_one() -> None:
    assert retry_after_s(0.0) <= 0.05
    assert retry_after_s(20.0) == pytest.approx(0.4)
    assert retry_after_s(3600.0) == 2.0


def test_a_try_that_takes_long_is_made_as_rarely() -> None:
    assert retry_after_s(0.0, try_s=0.1) == 0.1
    assert retry_after_s(0.0, try_s=30.0) == 0.25, "it only waited"


def test_a_source_that_can_stand_by_does_so_between_two_openings_and_is_closed_at_the_end() -> None:
    class Patient(Scripted):
        stood_by = 0

        def stand_by(self) -> None:
            self.stood_by += 1

    source = Patient(["a", SourceError("unplugged")], [SourceError("no such device")], [])
    _told(source, lambda told: [t.state for t in told].count("open") == 2)
    assert source.stood_by == 2
    assert source.closed >= 1


def test_samples_at_another_rate_than_was_told_are_a_fault_that_passes() -> None:
    class Slow(Scripted):
        seq = at_ns = 0

        def open(self) -> SourceInfo:
            super().open()
            return SourceInfo("slow", NS_PER_S // 100)

        def read(self) -> Sample | None:
            if super().read() is None:
                return None
            self.seq += 1
            self.at_ns += NS_PER_S // (50 if self.seq < 2000 else 100)
            return Line(self.at_ns, self.seq, "")

    told, _ = _told(Slow(["a"] * 6000), lambda told: len(told) == 3)
    assert [(t.state, t.reason) for t in told] == [("open", ""), ("faulty", "wrong rate"), ("faulty", "")]


def test_a_rate_that_was_only_measured_while_opening_is_no_promise() -> None:
    class Measured(Scripted):
        seq = 0

        def open(self) -> SourceInfo:
            super().open()
            return SourceInfo("measured", NS_PER_S // 100, measured=True)

        def read(self) -> Sample | None:
            self.seq += 1
            return Line(self.seq * NS_PER_S, self.seq, "") if super().read() else None

    told, _ = _told(Measured([*["a"] * 100, SourceError("unplugged")]), lambda told: len(told) == 2)
    assert [t.state for t in told] == ["open", "lost"]


MS = NS_PER_MS
ARRIVALS = [s * NS_PER_S for s in range(10, 16)]


@pytest.mark.parametrize(
    ("told_s", "handed_on_s"),
    [
        ([10, 11, 12, 13, 14, 15], [10, 11, 12, 13, 14, 15]),
        ([10, 3611, 3612, 13, 14, 15], [10, 11, 12, 13, 14, 15]),
        ([10, 1, 2, 3, 14, 15], [10, 11, 12, 13, 14, 15]),
        ([10, 10, 10, 10, 14, 15], [10, 11, 12, 13, 14, 15]),
        ([10, 9, 8, 7, 6, 15], [10, 11, 12, 13, 14, 15]),
    ],
    ids=["right", "jumped ahead", "jumped back", "stands still", "runs back"],
)
def test_a_clock_that_is_off_is_replaced_by_the_arrival_until_it_is_right(
    told_s: list[int], handed_on_s: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    times = Timekeeper("camera 0")
    given = [
        times.step(Line(told * NS_PER_S, 0, ""), now_ns).captured_ns
        for told, now_ns in zip(told_s, ARRIVALS, strict=True)
    ]
    assert given == [s * NS_PER_S for s in handed_on_s]
    assert caplog.text.count("its clock is off") == (told_s != handed_on_s)


def test_a_source_that_lags_gets_its_own_times_back_after_one_bad_one() -> None:
    times, lag_ns = Timekeeper("camera 0"), 300 * MS
    told = [i * 100 * MS for i in range(10)]
    told[4] = told[3]
    given = [times.step(Line(at_ns, 0, ""), at_ns + lag_ns).captured_ns for at_ns in told]
    assert given == sorted(set(given))
    assert given[:4] == told[:4]
    assert given[-1] == told[-1]


class Fed:
    """Gives the lines that it is fed."""

    modality, name, finite = "touch", "fed", True

    def __init__(self) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.readers: list[int] = []

    def open(self) -> SourceInfo:
        return INFO

    def read(self) -> Sample | None:
        line = self.lines.get(timeout=LIMIT_S)
        self.readers.append(threading.get_ident())
        return None if line is None else Line(0, len(self.readers), line)

    def close(self) -> None:
        self.lines.put(None)


def _encoded(
    source: Source, encode: Callable[[str], None], capacity: int = 100
) -> tuple[Capture, Stream[Sample], Encoding]:
    """A capture of that source, begun, whose lines are encoded."""

    def take(sample: Sample) -> None:
        assert isinstance(sample, Line)
        encode(sample.text)

    stream: Stream[Sample] = Stream(capacity)
    encoding = Encoding(stream, take, look_s=1.0)
    capture = Capture(source, stream, MonotonicClock(), lambda _: None, encoding)
    capture.start()
    return capture, stream, encoding


def test_who_has_read_a_sample_encodes_it_if_nobody_does() -> None:
    source, encoders, done = Fed(), list[int](), threading.Semaphore(0)

    def encode(_: str) -> None:
        encoders.append(threading.get_ident())
        done.release()

    capture, _, _ = _encoded(source, encode)
    for number in range(20):
        source.lines.put(str(number))
        assert done.acquire(timeout=LIMIT_S)
    capture.close()
    assert encoders == source.readers[:20]


def test_one_thread_does_it_all_where_encoding_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium.encoding.QUICK_NS", 10**12)
    source, done = Fed(), threading.Semaphore(0)
    capture, _, _ = _encoded(source, lambda _: done.release())
    for number in range(3 * QUICK_RUNS):
        source.lines.put(str(number))
        assert done.acquire(timeout=LIMIT_S)
    capture.close()
    assert len(set(source.readers[QUICK_RUNS + 1 : -1])) == 1


def test_one_slow_run_is_the_machines_and_two_are_the_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0

    def encode(line: Sample) -> None:
        nonlocal now_ns
        now_ns += 1 if cast("Line", line).text == "quick" else 2 * QUICK_NS

    def quick_after(*lines: str) -> bool:
        for line in lines:
            stream.put(Line(0, 0, line), 0)
            lane = encoding.claim()
            assert lane is not None
            encoding.serve(lane)
        return encoding.quick

    monkeypatch.setattr("sensorium.encoding.time", SimpleNamespace(monotonic_ns=lambda: now_ns))
    stream = Stream[Sample](capacity=1)
    encoding = Encoding(stream, encode, look_s=LIMIT_S)
    assert not quick_after(*["quick"] * (QUICK_RUNS - 1))
    assert quick_after(*["quick"] * QUICK_RUNS * 3, "slow")
    assert not quick_after("slow")
    assert quick_after("quick", *["quick"] * QUICK_RUNS)


def test_an_encoder_that_takes_long_keeps_no_read_waiting_and_gets_the_rest_in_order() -> None:
    source, begun, go_on = Fed(), threading.Event(), threading.Event()
    encoded: list[str] = []

    def encode(line: str) -> None:
        encoded.append(line)
        begun.set()
        assert go_on.wait(LIMIT_S)

    capture, stream, _ = _encoded(source, encode, capacity=3)
    source.lines.put("0")
    assert begun.wait(LIMIT_S)
    for line in "12345":
        source.lines.put(line)
    source.lines.put(None)  # the end, which is read as well
    while stream.counts.put < 6:
        time.sleep(0)
    go_on.set()
    for thread in capture.threads:
        thread.join(LIMIT_S)
    assert encoded == ["0", "3", "4", "5"]
    assert stream.counts == Counts(put=6, taken=4, dropped=2, waiting=0)


def test_nothing_is_left_lying_and_nothing_is_encoded_by_two() -> None:
    """Samples that come just when the other thread has found nothing more to encode."""
    source, encoded, busy = Fed(), list[str](), threading.Lock()

    def encode(line: str) -> None:
        assert busy.acquire(blocking=False)
        encoded.append(line)
        busy.release()

    count = 3000
    capture, stream, _ = _encoded(source, encode, capacity=count)
    for number in range(count):
        source.lines.put(str(number))
    source.lines.put(None)
    for thread in capture.threads:
        thread.join(LIMIT_S)
    assert encoded == [str(number) for number in range(count)]
    assert stream.counts == Counts(put=count, taken=count, dropped=0, waiting=0)


class Stuck:
    """A graph that does not return before it is let."""

    inputs = outputs = ()

    def __init__(self) -> None:
        self.hangs, self.let_go = threading.Event(), threading.Event()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.hangs.set()
        assert self.let_go.wait(LIMIT_S)
        return dict(feeds)


@pytest.mark.parametrize("quick_ns", [0, 10**12])
def test_a_thread_that_hangs_in_a_graph_loses_its_turn_and_the_others_go_on(
    quick_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensorium.encoding.QUICK_NS", quick_ns)
    source, told, stuck = Fed(), queue.SimpleQueue[str](), Stuck()
    graph = Guarded("model", stuck, Patience(first_s=1.0))

    def encode(line: str) -> None:
        if line == "hang":
            graph.run({})
        told.put(line)

    capture, _, encoding = _encoded(source, encode)
    for number in range(2 * QUICK_RUNS):
        source.lines.put(str(number))
        assert told.get(timeout=LIMIT_S) == str(number)
    source.lines.put("hang")
    assert stuck.hangs.wait(LIMIT_S)
    assert [encoding.look(), encoding.look()] == [False, True]
    for line in ("after", "and after"):
        source.lines.put(line)
        assert told.get(timeout=LIMIT_S) == line
    stuck.let_go.set()
    capture.close()
    assert not any(thread.is_alive() for thread in capture.threads)
    assert told.empty()
