"""What every peer's script does: SCRIPT PROBE OPTIONS OUT runs one probe and writes what came of it.

OUT holds ``{"version": ..., "result": {...}}`` or ``{"version": ..., "error": "why it failed"}``. Only raw measurements
are written: the figures of all peers are computed in one place, by sensorium_apps.benches.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HEIGHT, WIDTH = 480, 640
WARM_UP = 1 / 6  # of a run: memory grows while caches fill
FRAME_BYTES = HEIGHT * WIDTH * 3


def main(version: str, probes: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Run the probe that was asked for. Ends at once: a peer's threads may never."""
    probe, options, out = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    told: dict[str, Any] = {"version": version}
    try:
        told["result"] = probes[probe](**options)
    except Exception as err:  # whatever it raises is its result
        traceback.print_exc()
        told["error"] = f"{type(err).__name__}: {(str(err).strip().splitlines() or [''])[0]}"[:300]
    out.write_text(json.dumps(told))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def rss_mb() -> float:
    """Resident memory now [10^6 bytes]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def fresh_frame() -> bytearray:
    """A new picture, 640x480 RGB, as a camera gives it: memory of its own that was written to."""
    return bytearray(FRAME_BYTES)


def beats(seconds: float, fps: float) -> Iterator[float]:
    """When each frame is given, in time; one that is late is followed by the next at once."""
    began = time.perf_counter()
    for i in range(round(seconds * fps)):
        wait = began + i / fps - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        yield time.perf_counter()


class Load:
    """What became of the frames of an overload: ages of those that are done, and of those that wait at the end."""

    def __init__(self, seconds: float) -> None:
        self.given: dict[int, float] = {}  # number -> when
        self.ages_ms: list[float] = []
        self._seconds = seconds
        self._began = time.perf_counter()
        self._warm_mb = 0.0

    def give(self, at: float) -> int:
        """Count one in; its number."""
        number = len(self.given)
        self.given[number] = at
        if not self._warm_mb and at - self._began >= WARM_UP * self._seconds:
            self._warm_mb = rss_mb()
        return number

    def done(self, number: int) -> None:
        """One is done."""
        self.ages_ms.append((time.perf_counter() - self.given[number]) * 1e3)

    def told(self, dropped: int | None, waiting: tuple[int, ...] = ()) -> dict[str, Any]:
        """The result; ``waiting``: numbers of those that are not done yet, which are at least as old as now."""
        now = time.perf_counter()
        return {
            "given": len(self.given),
            "done": len(self.ages_ms),
            "dropped": dropped,
            "waiting": len(waiting),
            "ages_ms": self.ages_ms + [(now - self.given[number]) * 1e3 for number in waiting],
            "rss_growth_mb": rss_mb() - self._warm_mb,
        }
