"""What this process holds: memory, threads, file descriptors; and how late the machine runs a thread that waits."""

import contextlib
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S

FLAT_MB_PER_H = 0.1  # what a day may add is less than a browser's tab in a minute
NOISE_MB = 2.0  # one came in the first minutes of a fresh process, whose allocators fill, and none in the next run
WARM_UP = 1 / 6  # of a run: caches and allocators fill
SAMPLES = 240  # every six minutes of a day
LATEST_MS, BINS_PER_MS = 10_000, 10  # of what is counted by how late it was
BEAT_NS = 20 * NS_PER_MS  # finer than any tick


def rss_mb() -> float:
    """Memory of its own, resident or swapped out, now [10^6 bytes]; the peak where the system tells no more.

    Pages of files, of which more are resident the more of a library was run, are none of its own.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "VmSwap:"))) * 1024 / 1e6


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


@dataclass(slots=True)
class Memory:
    """Memory over the hours of a run, measured ``SAMPLES`` times; its own is taken at the beginning."""

    length_ns: int
    _count: int = 0
    _hours: NDArray[np.float64] = field(default_factory=lambda: np.full(SAMPLES, 0.0))
    _mb: NDArray[np.float64] = field(default_factory=lambda: np.full(SAMPLES, 0.0))

    def step(self, at_ns: int) -> None:
        """Measure if it is time to, ``at_ns`` after the beginning."""
        if self._count < SAMPLES and at_ns >= self.length_ns * self._count // SAMPLES:
            self._hours[self._count] = at_ns / NS_PER_S / 3600
            self._mb[self._count] = rss_mb()
            self._count += 1

    @property
    def first_mb(self) -> float:
        """At the beginning."""
        return float(self._mb[0]) if self._count else rss_mb()

    @property
    def growth_mb(self) -> float:
        """From the end of the warm-up to the end."""
        _, mb = self._warm()
        return float(mb[-1] - mb[0]) if len(mb) else 0.0

    @property
    def slope_mb_per_h(self) -> float | None:
        """Of the straight line through what was measured after the warm-up; None where that is too little."""
        hours, mb = self._warm()
        return float(np.polyfit(hours, mb, 1)[0]) if len(mb) > 2 else None

    @property
    def flat(self) -> bool:
        """Whether it did not grow by more than is allowed and more than noise."""
        slope = self.slope_mb_per_h or 0.0
        return slope <= FLAT_MB_PER_H or slope * (1 - WARM_UP) * float(self._hours.max()) <= NOISE_MB

    def _warm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        hours, mb = self._hours[: self._count], self._mb[: self._count]
        warm = hours * 3600 * NS_PER_S >= WARM_UP * self.length_ns
        return hours[warm], mb[warm]


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
