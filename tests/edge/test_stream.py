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


@pytest.mark.parametrize("capacity", [1, 3])
def test_between_threads_the_order_is_kept_and_all_are_taken_or_dropped(capacity: int) -> None:
    stream: Stream[int] = Stream(capacity)
    taken: list[list[int]] = [[], []]

    def take(into: list[int]) -> None:
        with contextlib.suppress(StreamClosed):
            while True:
                item = stream.take()
                assert item is not None
                into.append(item)

    threads = [threading.Thread(target=take, args=(into,)) for into in taken]
    for thread in threads:
        thread.start()
    for number in range(5000):
        stream.put(number, at_ns=number)
    stream.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    counts = stream.counts
    assert (counts.put, counts.waiting) == (5000, 0)
    assert counts.taken == sum(map(len, taken)) == 5000 - counts.dropped
    assert all(into == sorted(into) for into in taken)
    assert max(map(max, filter(None, taken))) == 4999


def test_a_stream_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1; given 0"):
        Stream(0)
