"""How late things were, and how late the machine runs a thread that waits."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S

LATEST_MS, BINS_PER_MS = 10_000, 10  # of what is counted by how late it was
BEAT_NS = 20 * NS_PER_MS  # finer than any tick


@dataclass(slots=True)
class Lateness:
    """How late things were, to a tenth of a millisecond and up to ``LATEST_MS``.

    All its memory is taken at the beginning: what a run keeps of itself must not look like a leak.
    """

    count: int = 0
    _bins: NDArray[np.int32] = field(default_factory=lambda: np.full(LATEST_MS * BINS_PER_MS, 0, np.int32))

    def add(self, late_ns: float) -> None:
        """Count one."""
        self.count += 1
        self._bins[min(max(round(late_ns * BINS_PER_MS / NS_PER_MS), 0), len(self._bins) - 1)] += 1

    def at(self, share: float) -> float:
        """What this share of them did not exceed [ms]."""
        if not self.count:
            return 0.0
        return float(np.searchsorted(self._bins.cumsum(), share * self.count)) / BINS_PER_MS


class Metronome:
    """A thread that only waits: how late it is let go on is the machine's doing, and the floor of every tick.

    At every beat it also asks how long the machine let any other thread of this process wait for a processor.
    """

    def __init__(self, late: Callable[[int, int], None]) -> None:
        """``late``: called with every beat and the longest of these waits [ns], on the machine's monotonic clock."""
        self._late = late
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metronome", daemon=True)
        self.lateness = Lateness()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        due_ns = time.monotonic_ns() + BEAT_NS
        before = _waited_ns()
        while not self._stop.wait(max(0, due_ns - time.monotonic_ns()) / NS_PER_S):
            now_ns = time.monotonic_ns()
            self.lateness.add(now_ns - due_ns)
            after = _waited_ns()
            others_ns = max((waited - before.get(thread, 0) for thread, waited in after.items()), default=0)
            self._late(now_ns, max(now_ns - due_ns, others_ns))
            before = after
            due_ns = now_ns + BEAT_NS


def _waited_ns() -> dict[str, int]:
    """How long each thread was ready to run and did not, so far; nothing where the system does not tell."""
    waited = {}
    with contextlib.suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError, IndexError):  # it has ended
                waited[task.name] = int((task / "schedstat").read_text(encoding="ascii").split()[1])
    return waited
