"""Runs of graphs that hang: how long is too long, and how to leave one behind.

A run that hangs cannot be ended, only left behind with its thread. A thread that a session can replace, as those of
its encoders, has a ``Lane``, whose owner looks at it now and then: that costs a run nothing. Any other thread hands its
runs over to one more, which costs two waits for the processor: microseconds on an idle machine, milliseconds on a busy
one, so that only graphs are handed over whose runs take long, which their first runs tell.
"""

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from sensorium.backends import Graph
from sensorium.samples import Array

TRIALS = 5  # runs after which it is known how long one takes
HALVES = 2  # a limit is waited for in halves: who was stopped or asleep meanwhile has the second one to go on

Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may take before it counts as hung. Generous, for what was replaced stays so."""

    first_s: float = 60.0  # the first run, in which a driver may compile
    least_s: float = 10.0  # any other: a machine that swaps, or runs thirty other things, is no reason
    factor: float = 20.0  # of the longest run so far, where that is more
    guarded_from_s: float = 0.01  # runs that are shorter are not handed over

    def limit_s(self, longest_s: float | None) -> float:
        """For the next run, after the longest so far; None: it is the first."""
        return self.first_s if longest_s is None else max(self.least_s, self.factor * longest_s)


class HungError(Exception):
    """A run did not return in time."""


class LaneLost(BaseException):
    """A run has returned after all, in a thread that was left behind."""


class Lane:
    """What a thread that can be replaced runs now, within ``with lane``.

    Its owner calls ``look`` every ``period_s``, from another thread.
    """

    _current = threading.local()

    def __init__(self, period_s: float) -> None:
        self.turn = threading.Lock()  # who has it may run things
        self._period_s = period_s
        self._running: tuple[Guarded] | None = None  # a new tuple for every run
        self._seen: tuple[Guarded] | None = None  # at the last look
        self._looks = 0  # at one run
        self.lost = False

    @classmethod
    def here(cls) -> "Lane | None":
        """This thread's."""
        lane: Lane | None = getattr(cls._current, "lane", None)
        return lane

    def __enter__(self) -> Self:
        self._current.lane = self
        return self

    def __exit__(self, *_: object) -> None:
        self._current.lane = None

    def look(self) -> bool:
        """Whether the thread is to be replaced, for it hangs in a run: the graph goes on with its next form.

        Looks are counted, not time: a process that was stopped or asleep does not hang.
        """
        running = self._running
        self._looks = self._looks + 1 if running is self._seen else 0
        self._seen = running
        if running is None or self._looks * self._period_s < running[0].limit_s:
            return False
        self.lost = running[0].hung = True
        return True

    def run(self, graph: "Guarded", run: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """What it gives; raises LaneLost where the thread was replaced meanwhile."""
        self._running = (graph,)
        try:
            return run()
        finally:
            self._running = None
            if self.lost:
                raise LaneLost


class Guarded:
    """An opened graph whose run may be left behind where it does not return."""

    def __init__(self, name: str, graph: Graph, patience: Patience) -> None:
        self._name, self._graph, self._patience = name, graph, patience
        self._longest_s: float | None = None
        self._trials_s: list[float] = []  # what the first runs took that were handed over
        self._worker: _Worker | None = None
        self.hung = False

    @property
    def limit_s(self) -> float:
        """After which a run hangs."""
        return self._patience.limit_s(self._longest_s)

    def run(self, feeds: Tensors) -> dict[str, Array]:
        """What the graph gives; raises HungError where it does not return."""
        if self.hung:
            raise HungError
        began_s = time.monotonic()
        lane = Lane.here()
        if lane is not None:
            made = lane.run(self, lambda: self._graph.run(feeds))
        elif self._is_short():
            made = self._graph.run(feeds)
        else:
            made = self._hand_over(feeds)
            if len(self._trials_s) < TRIALS:
                self._trials_s.append(time.monotonic() - began_s)
        self._longest_s = max(time.monotonic() - began_s, self._longest_s or 0.0)
        return made

    def _is_short(self) -> bool:
        known = len(self._trials_s) == TRIALS and min(self._trials_s) < self._patience.guarded_from_s
        if known:
            self._worker = None  # its thread ends
        return known

    def _hand_over(self, feeds: Tensors) -> dict[str, Array]:
        self._worker = self._worker or _Worker(self._name, self._graph)
        try:
            return self._worker.run(feeds, self.limit_s)
        except HungError:
            self.hung = True
            raise


class _Worker:
    """A thread that runs a graph, and is left behind where it does not return."""

    def __init__(self, name: str, graph: Graph) -> None:
        self._asked: queue.SimpleQueue[Tensors | None] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[dict[str, Array] | Exception] = queue.SimpleQueue()
        given = (graph, self._asked, self._made)
        threading.Thread(target=_serve, args=given, name=f"graph {name}", daemon=True).start()
        weakref.finalize(self, self._asked.put, None).atexit = False  # the thread ends with the graph

    def run(self, feeds: Tensors, limit_s: float) -> dict[str, Array]:
        self._asked.put(feeds)
        for _ in range(HALVES):
            with contextlib.suppress(queue.Empty):
                made = self._made.get(timeout=limit_s / HALVES)
                if isinstance(made, Exception):
                    raise made
                return made
        raise HungError


def _serve(
    graph: Graph,
    asked: "queue.SimpleQueue[Tensors | None]",
    made: "queue.SimpleQueue[dict[str, Array] | Exception]",
) -> None:
    while (feeds := asked.get()) is not None:
        try:
            made.put(graph.run(feeds))
        except Exception as err:  # it is the caller's
            made.put(err)
