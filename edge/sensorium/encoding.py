"""The turn at a modality's encoder: one thread at a time has it, and another one where that hangs."""

import contextlib
import time
from collections.abc import Callable

from sensorium.clock import NS_PER_MS
from sensorium.guard import Lane, LaneLost
from sensorium.samples import Sample
from sensorium.stream import Stream, StreamClosed

# To wake a thread that is to read meanwhile costs some 20 us, which an encoder is not worth that takes less than a
# sixteenth of a microphone's chunk, the shortest period that is usual.
QUICK_NS = 2 * NS_PER_MS
# So many quick runs make the next one be expected to be; a slow one takes as many away, and up to twice as many count:
# the machine's own hiccup changes nothing, once in a while, and an encoder that becomes slow is one at its second run.
QUICK_RUNS = 30


class Encoding:
    """Has ``encode`` called with one sample of ``stream`` after the other, by whoever has the turn.

    ``begin``, which is set by what has its threads, starts one instead of one that hangs.
    """

    def __init__(self, stream: Stream[Sample], encode: Callable[[Sample], None], look_s: float) -> None:
        """``look_s``: how often its owner calls ``look``."""
        self.begin: Callable[[], None] = lambda: None
        self._stream = stream
        self._encode = encode
        self._look_s = look_s
        self._lane = Lane(look_s)
        self._quick_runs = 0

    @property
    def quick(self) -> bool:
        """Whether it takes too short a time to have somebody else read meanwhile."""
        return self._quick_runs >= QUICK_RUNS

    def claim(self) -> Lane | None:
        """The turn, for ``serve``; None: another thread has it, and takes what waits when it comes to it."""
        lane = self._lane
        return lane if lane.turn.acquire(blocking=False) else None

    def serve(self, lane: Lane) -> None:
        """Encode what waits, until nothing does; raises LaneLost where the turn was given to another thread."""
        while True:
            try:
                with lane:
                    while self._stream.waiting and (sample := self._stream.take(timeout_s=0)) is not None:
                        began_ns = time.monotonic_ns()
                        self._encode(sample)
                        self._took(time.monotonic_ns() - began_ns)
            finally:
                lane.turn.release()
            # What came after the last look and before the turn was free has nobody else.
            if not self._stream.waiting or not lane.turn.acquire(blocking=False):
                return

    def wait(self) -> None:
        """Encode whatever comes, until the stream ends: in a thread of its own, for a stream that many put into."""
        with contextlib.suppress(StreamClosed, LaneLost), self._lane:
            while (sample := self._stream.take()) is not None:
                self._encode(sample)

    def look(self) -> bool:
        """Whether the thread that has the turn hangs in a graph; it has lost it then, and there is another thread."""
        if not self._lane.look():
            return False
        self._lane, self._quick_runs = Lane(self._look_s), 0
        self.begin()
        return True

    def _took(self, run_ns: int) -> None:
        if run_ns < QUICK_NS:
            self._quick_runs = min(self._quick_runs + 1, 2 * QUICK_RUNS)
        else:
            self._quick_runs = max(self._quick_runs - QUICK_RUNS, 0)
