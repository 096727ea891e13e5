import contextlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.stream import Stream, StreamClosed


@given(st.lists(st.sampled_from(["put", "take", "close"])), st.integers(1, 5))
def test_everything_put_was_taken_or_dropped_or_waits(actions: list[str], capacity: int) -> None:
    stream: Stream[int] = Stream(capacity)
    for number, action in enumerate(actions):
        if action == "put":
            stream.put(number, at_ns=number)
        elif action == "close":
            stream.close()
        else:
            with contextlib.suppress(StreamClosed):
                stream.take(timeout_s=0)
        counts = stream.counts
        assert counts.put == counts.taken + counts.dropped + counts.waiting
        assert counts.waiting <= capacity


def test_a_full_stream_drops_the_oldest_and_keeps_the_order() -> None:
    stream: Stream[int] = Stream(3)
    for number in range(5):
        stream.put(number, at_ns=number)
    assert [stream.take(0), stream.take(0), stream.take(0), stream.take(0)] == [2, 3, 4, None]
    assert stream.counts.dropped == 2


def test_what_waits_can_be_taken_after_the_end() -> None:
    stream: Stream[str] = Stream(2)
    stream.put("last words", at_ns=1)
    stream.close()
    stream.put("too late", at_ns=2)
    assert stream.take() == "last words"
    with pytest.raises(StreamClosed):
        stream.take()
    assert stream.counts.dropped == 1


def test_closing_wakes_who_waits() -> None:
    stream: Stream[int] = Stream(1)
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(StreamClosed):
            stream.take()
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    stream.close()
    assert ended.wait(5)
    thread.join()


def test_a_stream_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1; given 0"):
        Stream(0)
