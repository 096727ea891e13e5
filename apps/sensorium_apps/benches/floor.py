"""What this machine itself takes: nothing is handed from thread to thread faster, nothing waits more exactly."""

import queue
import threading
import time

from sensorium_apps.benches.figures import percentile

SLEEPS, HOPS = 300, 1000
SLEEP_S = 0.001


def floor() -> dict[str, float]:
    """By how much a sleep of 1 ms is too long, and how long a queue takes to wake another thread [us]."""
    sleeps, hops = _sleeps(), _hops()
    return {
        "sleep_overshoot_p50_us": percentile(sleeps, 50, 1),
        "sleep_overshoot_p99_us": percentile(sleeps, 99, 1),
        "queue_hop_p50_us": percentile(hops, 50, 1),
        "queue_hop_p99_us": percentile(hops, 99, 1),
    }


def floor_line(told: dict[str, float]) -> str:
    """The floor for a person."""
    return (
        f"the floor: a sleep of 1 ms is {told['sleep_overshoot_p50_us']:.0f} us too long (p50; p99 "
        f"{told['sleep_overshoot_p99_us']:.0f}), a queue wakes a thread in {told['queue_hop_p50_us']:.0f} us (p99 "
        f"{told['queue_hop_p99_us']:.0f})"
    )


def _sleeps() -> list[float]:
    taken = []
    for _ in range(SLEEPS):
        began = time.perf_counter()
        time.sleep(SLEEP_S)
        taken.append((time.perf_counter() - began - SLEEP_S) * 1e6)
    return taken


def _hops() -> list[float]:
    """One at a time: the next is put when the one before was taken."""
    there: queue.SimpleQueue[float | None] = queue.SimpleQueue()
    back: queue.SimpleQueue[float] = queue.SimpleQueue()

    def take() -> None:
        while (began := there.get()) is not None:
            back.put(time.perf_counter() - began)

    thread = threading.Thread(target=take)
    thread.start()
    taken = []
    for _ in range(HOPS):
        there.put(time.perf_counter())
        taken.append(back.get() * 1e6)
    there.put(None)
    thread.join()
    return taken
