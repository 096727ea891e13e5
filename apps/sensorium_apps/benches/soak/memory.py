"""What memory this process holds, over the hours of a run."""

import ctypes
import functools
import gc
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S

FLAT_MB_PER_H = 0.1  # what a day may add is less than a browser's tab in a minute
RESIDENT_NOISE_MB = 2.0  # one came in the first minutes of a fresh process, whose allocators fill, none in the next run
IN_USE_NOISE_MB = 0.2  # what is in flight, and histories that fill
CACHES_FILL, HISTORIES_FILL = 1 / 6, 1 / 2  # of a run: its warm-up
WINDOWS = 60  # of a run: twenty seconds of twenty minutes
READINGS = 16  # in each; the least counts: what is in flight comes and goes, and only adds to what is held

# With these every piece of memory that Python wants is asked of the C library, which keeps nothing aside for threads:
# what it says is in use then is so to the byte.
COUNTED = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1:glibc.malloc.mxfast=0",
}


def rss_mb() -> float:
    """Memory of its own, resident or swapped out, now [10^6 bytes]; the peak where the system tells no more.

    Pages of files, of which more are resident the more of a library was run, are none of its own.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "VmSwap:"))) * 1024 / 1e6


def counted() -> bool:
    """Whether this process was started so that ``in_use_mb`` is exact."""
    return all(os.environ.get(name) == value for name, value in COUNTED.items()) and _mallinfo2() is not None


def count_exactly() -> None:
    """Begin this process again, so that ``in_use_mb`` is exact; nothing where it is, or the C library cannot tell."""
    if not counted() and _mallinfo2() is not None:
        sys.stdout.flush()
        os.execve(sys.executable, sys.orig_argv, os.environ | COUNTED)


def in_use_mb() -> float:
    """What was allocated and not freed [10^6 bytes], as glibc counts it: all of it where ``counted``.

    https://man7.org/linux/man-pages/man3/mallinfo.3.html
    """
    mallinfo2 = _mallinfo2()
    if mallinfo2 is None:
        raise OSError("this C library does not tell what is in use: it has no mallinfo2 (glibc 2.33)")
    told = mallinfo2()
    return float(told.uordblks + told.hblkhd) / 1e6


_FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class _Mallinfo2(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


@functools.cache  # every CDLL makes a class, which memory is measured with
def _mallinfo2() -> Callable[[], _Mallinfo2] | None:
    found = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform == "linux" else None
    if found is not None:
        found.restype = _Mallinfo2
    return found


@dataclass(slots=True)
class Memory:
    """Memory over the hours of a run: the least of each of its ``WINDOWS``. Its own is taken at the beginning."""

    length_ns: int
    measure: Callable[[], float] = rss_mb
    warm_up: float = CACHES_FILL
    _next: int = 0  # reading
    _mb: NDArray[np.float64] = field(default_factory=lambda: np.full(WINDOWS, np.inf))

    def due(self, at_ns: int) -> bool:
        """Whether it is time to measure, ``at_ns`` after the beginning."""
        return self._reading(at_ns) >= self._next

    def begins(self, at_ns: int) -> bool:
        """Whether nothing has been measured in the window of ``at_ns``."""
        return bool(np.isinf(self._mb[self._reading(at_ns) // READINGS]))

    def step(self, at_ns: int) -> None:
        """Measure if it is time to."""
        if self.due(at_ns):
            reading = self._reading(at_ns)
            window = reading // READINGS
            self._mb[window] = min(self._mb[window], self.measure())
            self._next = reading + 1

    @property
    def first_mb(self) -> float:
        """At the beginning."""
        return float(self._mb[0]) if self._next else self.measure()

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

    def flat(self, noise_mb: float) -> bool:
        """Whether it did not grow by more than is allowed and more than noise."""
        slope = self.slope_mb_per_h or 0.0
        return slope <= FLAT_MB_PER_H or slope * (1 - self.warm_up) * float(self._measured()[0].max()) <= noise_mb

    def series(self) -> list[tuple[float, float]]:
        """Seconds from the beginning to the middle of a window, and the least that was measured in it [10^6 bytes]."""
        hours, mb = self._measured()
        return [
            (round(hour * 3600, 1), round(least, 4)) for hour, least in zip(hours.tolist(), mb.tolist(), strict=True)
        ]

    def _reading(self, at_ns: int) -> int:
        return min(at_ns * WINDOWS * READINGS // self.length_ns, WINDOWS * READINGS - 1)

    def _measured(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        hours = (np.arange(WINDOWS) + 0.5) / WINDOWS * self.length_ns / NS_PER_S / 3600
        finite = np.isfinite(self._mb)
        return hours[finite], self._mb[finite]

    def _warm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        hours, mb = self._measured()
        warm = hours * 3600 * NS_PER_S >= self.warm_up * self.length_ns
        return hours[warm], mb[warm]


class Held:
    """What a chaos run holds, collected garbage apart: resident, and in use where that can be counted.

    A leak is in use. Resident pages also grow for hours by what the allocator touches for the first time, ever less.
    """

    def __init__(self, length_ns: int) -> None:
        self.resident = Memory(length_ns, warm_up=HISTORIES_FILL)
        self.in_use = Memory(length_ns, in_use_mb, HISTORIES_FILL) if counted() else None

    def step(self, at_ns: int) -> None:
        """Measure if it is time to, ``at_ns`` after the beginning."""
        if self.resident.due(at_ns):
            if self.resident.begins(at_ns):
                gc.collect()  # cycles that wait for it, and Python's own free lists, are none that are held
            self.resident.step(at_ns)
            if self.in_use is not None:
                self.in_use.step(at_ns)

    def grown(self) -> str | None:
        """What grew more than is allowed; None where nothing did."""
        for what, memory, noise_mb in (
            ("in use", self.in_use, IN_USE_NOISE_MB),
            ("resident", self.resident, RESIDENT_NOISE_MB),
        ):
            if memory is not None and not memory.flat(noise_mb):
                return f"{memory.growth_mb:.2f} MB more {what}, {memory.slope_mb_per_h:.2f} MB/h"
        return None
