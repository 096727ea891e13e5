"""Another backend for a graph whose backend raises, gives NaN, or (where there is patience to lose) hangs.

What else can execute a graph: its ``fallback`` in the bundle, and, for an .onnx file, the other backend that reads it,
where that is installed. It is opened when it is first needed.

A run that hangs can only be left behind where it has a thread of its own. Handing each run over to one costs two waits
for the processor: microseconds on an idle machine, milliseconds on a busy one. So only graphs are guarded whose runs
take so long that this is nothing to them, which their first runs tell.
"""

import contextlib
import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sensorium.backends import Graph, open_graph
from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array
from sensorium.steps import Replaced

log = logging.getLogger(__name__)

TRIALS = 5  # runs after which it is known how long one takes
HALVES = 2  # a limit is waited for in halves: who was stopped or asleep meanwhile has the second one to go on

ONNX_BACKENDS = ("onnxruntime", "openvino")  # each reads .onnx files

Opener = Callable[[GraphEntry], Graph]
Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may take before it counts as hung. Generous, for what was replaced stays so."""

    first_s: float = 60.0  # the first run, in which a driver may compile
    least_s: float = 10.0  # any other: a machine that swaps, or runs thirty other things, is no reason
    factor: float = 20.0  # of the longest run so far, where that is more
    guarded_from_s: float = 0.01  # graphs whose runs are shorter are not guarded: handing over 0.03 ms is 0.3% of it

    def limit_s(self, longest_s: float | None) -> float:
        """For the next run, after the longest so far; None: it is the first."""
        return self.first_s if longest_s is None else max(self.least_s, self.factor * longest_s)


class FallbackGraph:
    """A graph that goes on with the next form where the one in use fails; for good, as what failed may fail again.

    An input on which every form fails is the caller's: nothing is replaced then. One thread at a time runs it.
    """

    def __init__(
        self, name: str, forms: Sequence[GraphEntry], opener: Opener, patience: Patience | None = None
    ) -> None:
        """``name``: part/graph; ``patience``: how long a run may take, None: any time.

        Opens the first form that does; raises the first one's BackendError where none does.
        """
        self.inputs: tuple[TensorSpec, ...] = forms[0].inputs
        self.outputs: tuple[TensorSpec, ...] = forms[0].outputs
        self._name, self._forms, self._opener, self._patience = name, forms, opener, patience
        self._opened: dict[int, _Bare | _Worker | str] = {}  # by place: ready to run, or why not
        self._untold: list[Replaced] = []
        self._listener: Callable[[Replaced], None] = self._untold.append
        self._place = next((i for i in range(len(forms)) if not isinstance(self._form(i), str)), 0)
        first = self._form(0)
        if isinstance(first, str):
            if self._place == 0:
                raise BackendError(first)
            self._told(0, first)

    @property
    def backend(self) -> str:
        """What executes it now."""
        return self._forms[self._place].backend

    def tell(self, listener: Callable[[Replaced], None]) -> None:
        """Tell ``listener`` from now on, and what nobody was told yet."""
        self._listener = listener
        while self._untold:
            listener(self._untold.pop(0))

    def use(self, backend: str) -> None:
        """Go on with that backend, and tell nobody; raises BackendError where it does not open."""
        for place, form in enumerate(self._forms):
            if form.backend == backend:
                opened = self._form(place)
                if isinstance(opened, str):
                    raise BackendError(opened)
                self._place = place
                return
        raise BackendError(
            f"{self._name} has no form for {backend}; it has: {', '.join(f.backend for f in self._forms)}"
        )

    def run(self, feeds: Tensors) -> dict[str, Array]:
        """Outputs by name, of the first form from the one in use on that gives them; raises that one's BackendError."""
        began, cause, rubbish = self._place, "", None
        for place in range(began, len(self._forms)):
            worker = self._form(place)
            if isinstance(worker, str):
                cause = cause or worker
                continue
            try:
                made = worker.run(feeds)
            except _HungError:
                self._opened[place] = why = f"{self._forms[place].backend} does not return from {self._name}"
                cause = cause or why
                continue
            except Exception as err:  # a backend's own exceptions share no base class
                cause = cause or str(err)
                continue
            if not _is_rubbish(made, feeds):
                if place != began:
                    self._place = place
                    self._told(began, cause)
                return made
            rubbish = rubbish or made
            cause = cause or f"{self._forms[place].backend} gives NaN"
        if rubbish is not None:
            return rubbish  # by every form: who asked for it judges it
        raise BackendError(cause)

    def _form(self, place: int) -> "_Bare | _Worker | str":
        if place not in self._opened:
            try:
                graph = self._opener(self._forms[place])
                patience = self._patience
                self._opened[place] = _Bare(graph) if patience is None else _Worker(self._name, graph, patience)
            except BackendError as err:
                self._opened[place] = str(err)
        return self._opened[place]

    def _told(self, before: int, cause: str) -> None:
        change = Replaced(self._name, self.backend, self._forms[before].backend, cause)
        log.warning("%s: %s goes on instead of %s: %s", self._name, change.backend, change.previous, cause)
        self._listener(change)


class _HungError(Exception):
    """A run did not return in time."""


@dataclass(frozen=True, slots=True)
class _Bare:
    """An opened graph that runs on the caller's thread."""

    graph: Graph

    def run(self, feeds: Tensors) -> dict[str, Array]:
        return self.graph.run(feeds)


class _Worker:
    """An opened graph with a thread of its own to run it, which is left behind where it does not return.

    One whose runs turn out to be short goes on without.
    """

    def __init__(self, name: str, graph: Graph, patience: Patience) -> None:
        self._graph, self._patience = graph, patience
        self._took_s: list[float] = []  # by the first runs
        self._longest_s: float | None = None
        self._guarded = True
        self._asked: queue.SimpleQueue[Tensors | None] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[dict[str, Array] | Exception] = queue.SimpleQueue()
        given = (graph, self._asked, self._made)
        threading.Thread(target=_serve, args=given, name=f"graph {name}", daemon=True).start()
        weakref.finalize(self, self._asked.put, None).atexit = False  # the thread ends with the graph

    def run(self, feeds: Tensors) -> dict[str, Array]:
        if not self._guarded:
            return self._graph.run(feeds)
        began_s = time.monotonic()
        self._asked.put(feeds)
        made = self._wait(self._patience.limit_s(self._longest_s))
        self._note(time.monotonic() - began_s)
        if isinstance(made, Exception):
            raise made
        return made

    def _wait(self, limit_s: float) -> dict[str, Array] | Exception:
        for _ in range(HALVES):
            with contextlib.suppress(queue.Empty):
                return self._made.get(timeout=limit_s / HALVES)
        raise _HungError

    def _note(self, took_s: float) -> None:
        self._longest_s = max(took_s, self._longest_s or 0.0)
        if len(self._took_s) < TRIALS:
            self._took_s.append(took_s)
            if len(self._took_s) == TRIALS and min(self._took_s) < self._patience.guarded_from_s:
                self._guarded = False
                self._asked.put(None)


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


def _is_rubbish(made: Tensors, feeds: Tensors) -> bool:
    """NaN that was not in the inputs already. The least of an array is NaN where any of it is, and quickly found."""
    return any(map(_has_nan, made.values())) and not any(map(_has_nan, feeds.values()))


def _has_nan(array: Array) -> bool:
    return array.dtype.kind == "f" and array.size > 0 and bool(np.isnan(array.min()))


@dataclass(slots=True)
class Fallbacks:
    """Opens the graphs of a session, and keeps which of them can be replaced."""

    patience: Patience | None = None  # with runs; None: for ever
    backends: dict[str, str] = field(default_factory=dict)  # part/graph -> what executes it
    graphs: dict[str, FallbackGraph] = field(default_factory=dict)  # those that can be replaced, or must not hang

    def open(self, name: str, entry: GraphEntry, locate: Callable[[str], Path | bytes], threads: int) -> Graph:
        """The graph ``name`` (part/graph); one that cannot be replaced and may hang is opened as it is."""
        forms = forms_of(entry)
        self.backends[name] = entry.backend
        if len(forms) == 1 and self.patience is None:
            return open_graph(entry, locate(entry.file), threads=threads)
        files = {form.file: locate(form.file) for form in forms}

        def opener(form: GraphEntry) -> Graph:
            return open_graph(form, files[form.file], threads=threads)

        graph = FallbackGraph(name, forms, opener, self.patience)
        self.graphs[name] = graph
        return graph


def forms_of(entry: GraphEntry) -> tuple[GraphEntry, ...]:
    """The entry itself and what can stand in for it, in the order in which they are tried."""
    forms = {entry.backend: entry}
    if entry.fallback is not None:
        changes = entry.fallback.model_dump() | {"fallback": None}
        forms.setdefault(entry.fallback.backend, entry.model_copy(update=changes))
    for form in tuple(forms.values()):
        if form.file.endswith(".onnx") and form.backend in ONNX_BACKENDS:
            for name in filter(_installed, ONNX_BACKENDS):
                forms.setdefault(name, form.model_copy(update={"backend": name}))
    return tuple(forms.values())


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None
