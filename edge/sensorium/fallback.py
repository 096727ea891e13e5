"""Another backend for a graph whose backend raises, gives NaN, or (where a limit is set) hangs while a session runs.

What else can execute a graph: its ``fallback`` in the bundle, and, for an .onnx file, the other backend that reads it,
where that is installed. It is opened when it is first needed.

A run that hangs can only be left behind where it has a thread of its own. Handing each run over to one costs two waits
for the processor: microseconds on an idle machine, milliseconds on a busy one. So there is no limit unless one is set.
"""

import logging
import queue
import threading
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

ONNX_BACKENDS = ("onnxruntime", "openvino")  # each reads .onnx files
GPU = "tensorrt"  # so does this one, which stands in for nothing

Opener = Callable[[GraphEntry], Graph]
Tensors = Mapping[str, Array]


class FallbackGraph:
    """A graph that goes on with the next form where the one in use fails; for good, as what failed may fail again.

    An input on which every form fails is the caller's: nothing is replaced then. One thread at a time runs it.
    """

    def __init__(self, name: str, forms: Sequence[GraphEntry], opener: Opener, hang_s: float | None = None) -> None:
        """``name``: part/graph; ``hang_s``: longest that a run may take, None: any time.

        Opens the first form that does; raises the first one's BackendError where none does.
        """
        self.inputs: tuple[TensorSpec, ...] = forms[0].inputs
        self.outputs: tuple[TensorSpec, ...] = forms[0].outputs
        self._name, self._forms, self._opener, self._hang_s = name, forms, opener, hang_s
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
                self._opened[place] = _Bare(graph) if self._hang_s is None else _Worker(self._name, graph, self._hang_s)
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
    """An opened graph with a thread of its own to run it, which is left behind where it does not return."""

    def __init__(self, name: str, graph: Graph, limit_s: float) -> None:
        self._limit_s = limit_s
        self._asked: queue.SimpleQueue[Tensors | None] = queue.SimpleQueue()
        self._made: queue.SimpleQueue[dict[str, Array] | Exception] = queue.SimpleQueue()
        given = (graph, self._asked, self._made)
        threading.Thread(target=_serve, args=given, name=f"graph {name}", daemon=True).start()
        weakref.finalize(self, self._asked.put, None).atexit = False  # the thread ends with the graph

    def run(self, feeds: Tensors) -> dict[str, Array]:
        self._asked.put(feeds)
        try:
            made = self._made.get(timeout=self._limit_s)
        except queue.Empty:
            raise _HungError from None
        if isinstance(made, Exception):
            raise made
        return made


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

    hang_s: float | None = None  # longest that a run may take
    backends: dict[str, str] = field(default_factory=dict)  # part/graph -> what executes it
    graphs: dict[str, FallbackGraph] = field(default_factory=dict)  # those that can be replaced
    chosen: Mapping[str, GraphEntry] = field(default_factory=dict)  # by part/graph, where another form is to be opened

    def open(self, name: str, entry: GraphEntry, locate: Callable[[str], Path | bytes], threads: int) -> Graph:
        """The graph ``name`` (part/graph); one that nothing else executes is opened as it is."""
        entry = self.chosen.get(name, entry)
        forms = forms_of(entry)
        self.backends[name] = entry.backend
        if len(forms) == 1:
            return open_graph(entry, locate(entry.file), threads=threads)
        files = {form.file: locate(form.file) for form in forms}

        def opener(form: GraphEntry) -> Graph:
            return open_graph(form, files[form.file], threads=threads)

        graph = FallbackGraph(name, forms, opener, self.hang_s)
        self.graphs[name] = graph
        return graph


def forms_of(entry: GraphEntry) -> tuple[GraphEntry, ...]:
    """The entry itself and what can stand in for it, in the order in which they are tried."""
    forms = {entry.backend: entry}
    if entry.fallback is not None:
        changes = entry.fallback.model_dump() | {"fallback": None}
        forms.setdefault(entry.fallback.backend, entry.model_copy(update=changes))
    for form in tuple(forms.values()):
        if form.file.endswith(".onnx") and form.backend in (*ONNX_BACKENDS, GPU):
            for name in filter(_installed, ONNX_BACKENDS):
                forms.setdefault(name, form.model_copy(update={"backend": name}))
    return tuple(forms.values())


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None
