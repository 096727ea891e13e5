"""The bounded hand-over from a source's thread to the one who consumes it."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of everything that was put: ``put == taken + dropped + waiting``, exactly."""

    put: int
    taken: int
    dropped: int
    waiting: int


class StreamClosed(Exception):  # noqa: N818 - the end of a stream is no error
    """The stream has ended and everything in it was taken."""


class Stream(Generic[T]):
    """A bounded queue that never blocks who puts: when full, the oldest goes and is counted.

    ``capacity`` 1 keeps the newest (a camera); more keeps the order (a microphone, typed lines).
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a stream holds at least 1; given {capacity}")
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lock = threading.Lock()
        # Free while there is something to take, and once closed. A bare lock hands over in half the time that a
        # condition takes, and every sample is handed over.
        self._gate = threading.Lock()
        self._gate.acquire()
        self._put = self._taken = self._dropped = 0
        self._closed = False
        self.last_put_ns = 0  # on the putting side's clock; 0 before the first

    def put(self, item: T, at_ns: int) -> None:
        """Hand over ``item`` that arrived at ``at_ns``; after ``close`` it counts as dropped."""
        with self._lock:
            self._put += 1
            self.last_put_ns = at_ns
            if self._closed:
                self._dropped += 1
                return
            was_empty = not self._items
            if len(self._items) == self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            if was_empty:
                self._gate.release()

    def take(self, timeout_s: float | None = None) -> T | None:
        """The next item, waiting at most ``timeout_s`` (None: for ever); None when none came in time.

        Raises StreamClosed once the stream was closed and is empty.
        """
        if not self._gate.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s)):
            return None
        with self._lock:
            if not self._items:
                self._gate.release()
                raise StreamClosed
            item = self._items.popleft()
            self._taken += 1
            if self._items or self._closed:
                self._gate.release()
            return item

    def close(self) -> None:
        """End the stream: what waits can still be taken."""
        with self._lock:
            if not self._closed and not self._items:
                self._gate.release()
            self._closed = True

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._items)

    @property
    def counts(self) -> Counts:
        """What became of everything that was put, at one moment."""
        with self._lock:
            return Counts(self._put, self._taken, self._dropped, len(self._items))
