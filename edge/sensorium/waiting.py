"""How a source waits: for real, or in a simulation whose clock is moved instead."""

import threading
from collections.abc import Callable
from typing import TypeAlias

from sensorium.clock import NS_PER_S, VirtualClock

Wait: TypeAlias = Callable[[threading.Event, int], bool]  # for the event, at most so long [ns]; whether it was set


def wait_real(event: threading.Event, limit_ns: int) -> bool:
    """Block this thread."""
    return event.wait(min(max(0, limit_ns) / NS_PER_S, threading.TIMEOUT_MAX))


def wait_virtual(clock: VirtualClock) -> Wait:
    """Move ``clock`` on by the whole limit: for a source that runs ahead of the others on a clock of its own."""

    def wait(event: threading.Event, limit_ns: int) -> bool:
        clock.move_to(clock.now_ns() + limit_ns)
        return event.is_set()

    return wait
