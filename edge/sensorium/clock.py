"""Time: monotonic integer nanoseconds from one clock that is handed to whoever needs it."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Tells the time [ns]. Only differences mean anything."""

    def now_ns(self) -> int:
        """Monotonic time now [ns]."""
        ...


class MonotonicClock:
    """The machine's own monotonic clock."""

    def now_ns(self) -> int:
        """Monotonic time now [ns]."""
        return time.monotonic_ns()


class VirtualClock:
    """A clock that stands still until it is moved: for replay and tests."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """The time it was last moved to [ns]."""
        return self._now_ns

    def move_to(self, now_ns: int) -> None:
        """Move forward to ``now_ns``; an earlier time is ignored, so time never runs back."""
        self._now_ns = max(self._now_ns, now_ns)
