"""One runtime for several sessions: a robot with four cameras, a wall of kiosks.

Each graph is opened once and lies in memory once. Sessions that want it at the same time have it run in batches, where
it takes any number of rows and a batch saves time; else one after the other.

    shared = SharedGraphs()
    sessions = [Session(assemble(bundle, shared=shared), [camera]) for camera in cameras]

A sample's result may differ in its last bits from what it is alone, so a recording that is to be replayed bit for bit
is made without.
"""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sensorium.backends import Graph, open_graph
from sensorium.batching import Cost, Request, decide
from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.clock import NS_PER_MS, Clock, MonotonicClock
from sensorium.errors import BackendError
from sensorium.samples import Array

BUDGET_MS = 100.0  # within which a request is to be done: half of a session's usual tick
MOST = 8  # rows of a batch: from there on, what a call costs by itself is little of what a row costs
TRIALS = 5  # runs of one row and of the most in turn; the fastest of each tell how calls and rows compare

Tensors = Mapping[str, Array]


class SharedGraphs:
    """Opens each graph once, for any number of sessions and threads; ``assemble`` takes it."""

    def __init__(self, *, budget_ms: float = BUDGET_MS, most: int = MOST, clock: Clock | None = None) -> None:
        """``budget_ms``: how soon each request is to be done; ``most``: rows of a batch, 1 never makes one."""
        self._budget_ms, self._most, self._clock = budget_ms, most, clock or MonotonicClock()
        self._lock = threading.Lock()
        self._graphs: dict[tuple[str, str, int], BatchedGraph] = {}

    @property
    def graphs(self) -> tuple["BatchedGraph", ...]:
        """Those that are open."""
        return tuple(self._graphs.values())

    def open(self, entry: GraphEntry, model: Path | bytes, *, threads: int = 0) -> "BatchedGraph":
        """The graph, opened now or before; raises BackendError."""
        content = hashlib.sha256(model).hexdigest() if isinstance(model, bytes) else str(model.resolve())
        key = (content, entry.backend, threads)
        with self._lock:
            if key not in self._graphs:
                graph = open_graph(entry, model, threads=threads)
                self._graphs[key] = BatchedGraph(graph, self._budget_ms, self._most, self._clock)
            return self._graphs[key]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request with what it needs, and what became of it."""

    request: Request
    feeds: Tensors
    result: dict[str, Array] | Exception | None = None
    woken: threading.Event = field(default_factory=threading.Event)  # the result is there, or it is to lead


class BatchedGraph:
    """A graph that any number of threads may run at a time.

    It has no thread of its own: whoever finds it free leads, which is to run batches for all who are in them until its
    own request is done; then the most urgent of those who wait leads. Nobody else is woken.
    """

    def __init__(
        self, graph: Graph, budget_ms: float = BUDGET_MS, most: int = MOST, clock: Clock | None = None
    ) -> None:
        """Runs a graph that takes batches some times, to learn what they cost."""
        from sensorium.learned.config import PRESENCE  # half of its imports are no part of a runtime without a model

        self.inputs: tuple[TensorSpec, ...] = graph.inputs
        self.outputs: tuple[TensorSpec, ...] = graph.outputs
        self.most = most if takes_batches(graph) else 1
        self.batches: Counter[int] = Counter()  # requests that ran together -> how often
        self._graph, self._presence = graph, PRESENCE
        self._clock = clock or MonotonicClock()
        self._budget_ns = round(budget_ms * NS_PER_MS)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._led = False
        self._count = 0
        self.cost = self._measured() if self.most > 1 else Cost(0.0, 0.0)

    def run(self, feeds: Tensors) -> dict[str, Array]:
        """Outputs by name, one's own to keep; raises what went wrong with this request, whoever it ran with."""
        with self._lock:
            own = _Waiting(self._request(feeds), feeds)
            self._waiting.append(own)
            follows, self._led = self._led, True
        if follows:
            own.woken.wait()
        result = own.result if own.result is not None else self._lead(own)
        if isinstance(result, Exception):
            raise result
        return result

    def _lead(self, own: _Waiting) -> dict[str, Array] | Exception:
        """Run batches until the own request is done, then have another lead."""
        try:
            while own.result is None:
                self._serve(self._take())
            return own.result
        finally:
            with self._lock:
                self._led = bool(self._waiting)
                if self._waiting:
                    min(self._waiting, key=lambda other: (other.request.deadline_ns, other.request.id)).woken.set()

    def _request(self, feeds: Tensors) -> Request:
        self._count += 1
        shapes = tuple((name, array.dtype.str, array.shape[1:]) for name, array in sorted(feeds.items()))
        there = feeds[self._presence].tobytes() if self._presence in feeds else b""
        rows = len(feeds[self.inputs[0].name]) if self.most > 1 else 1
        return Request(self._count, (shapes, there), self._clock.now_ns() + self._budget_ns, rows)

    def _take(self) -> list[_Waiting]:
        """The next batch, which waits no more."""
        with self._lock:
            requests = [waiting.request for waiting in self._waiting]
            chosen = {request.id for request in decide(requests, self.cost, self.most, self._clock.now_ns())}
            batch = [waiting for waiting in self._waiting if waiting.request.id in chosen]
            self._waiting = [waiting for waiting in self._waiting if waiting.request.id not in chosen]
        return batch

    def _serve(self, batch: Sequence[_Waiting]) -> None:
        began = time.perf_counter_ns()
        results: Sequence[dict[str, Array] | Exception] = [BackendError("the run was interrupted")] * len(batch)
        try:
            results = self._results([waiting.feeds for waiting in batch])
        finally:
            took_ns = time.perf_counter_ns() - began
            self.batches[len(batch)] += 1
            if self.most > 1 and not any(isinstance(result, Exception) for result in results):
                self.cost = self.cost.learn(sum(waiting.request.rows for waiting in batch), took_ns)
            for waiting, result in zip(batch, results, strict=True):
                waiting.result = result
                waiting.woken.set()

    def _results(self, feeds: Sequence[Tensors]) -> Sequence[dict[str, Array] | Exception]:
        """Of each; where they fail together, each by itself."""
        try:
            if len(feeds) == 1:
                return [{name: np.array(made) for name, made in self._graph.run(feeds[0]).items()}]
            made = self._graph.run({name: np.concatenate([one[name] for one in feeds]) for name in feeds[0]})
            ends = np.cumsum([len(one[self.inputs[0].name]) for one in feeds])[:-1]
            pieces = {name: np.split(array, ends) for name, array in made.items()}
            return [{name: np.array(own[i]) for name, own in pieces.items()} for i in range(len(feeds))]
        except Exception as err:  # a backend's own exceptions share no base class
            if len(feeds) == 1:
                return [err]
            return [result for one in feeds for result in self._results([one])]

    def _measured(self) -> Cost:
        took = [(self._timed(1), self._timed(self.most)) for _ in range(TRIALS)]
        one, many = map(min, zip(*took, strict=True))
        return Cost.fit(one, many, self.most)

    def _timed(self, rows: int) -> int:
        feeds = {spec.name: np.zeros((rows, *spec.shape[1:]), spec.dtype) for spec in self.inputs}
        began = time.perf_counter_ns()
        self._graph.run(feeds)
        return time.perf_counter_ns() - began


def takes_batches(graph: Graph) -> bool:
    """Whether the first axis of all that goes in and comes out is any size, and the others that go in are given."""
    tensors = (*graph.inputs, *graph.outputs)
    first_free = all(spec.shape and spec.shape[0] == -1 for spec in tensors)
    return first_free and all(size > 0 for spec in graph.inputs for size in spec.shape[1:])
