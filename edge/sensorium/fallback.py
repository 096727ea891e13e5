"""Another backend for a graph whose backend raises, gives NaN, or (where there is patience to lose) hangs.

What else can execute a graph: its ``fallback`` in the bundle, and, for an .onnx file, the other backend that reads it,
where that is installed. It is opened when it is first needed.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sensorium.backends import Graph, open_graph
from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium.guard import Guarded, HungError, Patience, Tensors
from sensorium.samples import Array
from sensorium.shared import SharedGraphs
from sensorium.steps import Replaced

log = logging.getLogger(__name__)

ONNX_BACKENDS = ("onnxruntime", "openvino")  # each reads .onnx files
GPU = "tensorrt"  # so does this one, which stands in for nothing

Opener = Callable[[GraphEntry], Graph]


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
        self._opened: dict[int, _Bare | Guarded | str] = {}  # by place: ready to run, or why not
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
            form = self._form(place)
            if isinstance(form, str):
                cause = cause or form
                continue
            try:
                made = form.run(feeds)
            except HungError:
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

    def _form(self, place: int) -> "_Bare | Guarded | str":
        if place not in self._opened:
            try:
                graph = self._opener(self._forms[place])
                patience = self._patience
                self._opened[place] = _Bare(graph) if patience is None else Guarded(self._name, graph, patience)
            except BackendError as err:
                self._opened[place] = str(err)
        return self._opened[place]

    def _told(self, before: int, cause: str) -> None:
        change = Replaced(self._name, self.backend, self._forms[before].backend, cause)
        log.warning("%s: %s goes on instead of %s: %s", self._name, change.backend, change.previous, cause)
        self._listener(change)


@dataclass(frozen=True, slots=True)
class _Bare:
    """An opened graph that runs on the caller's thread."""

    graph: Graph

    def run(self, feeds: Tensors) -> dict[str, Array]:
        return self.graph.run(feeds)


def _is_rubbish(made: Tensors, feeds: Tensors) -> bool:
    """NaN that was not in the inputs already. The least of an array is NaN where any of it is, and quickly found."""
    return any(map(_has_nan, made.values())) and not any(map(_has_nan, feeds.values()))


def _has_nan(array: Array) -> bool:
    return array.dtype.kind == "f" and array.size > 0 and bool(np.isnan(array.min()))


@dataclass(slots=True)
class Fallbacks:
    """Opens the graphs of a session, and keeps which of them can be replaced."""

    patience: Patience | None = None  # with runs; None: for ever
    shared: SharedGraphs | None = None  # where other sessions run the same graphs
    backends: dict[str, str] = field(default_factory=dict)  # part/graph -> what executes it
    graphs: dict[str, FallbackGraph] = field(default_factory=dict)  # those that can be replaced, or must not hang
    chosen: Mapping[str, GraphEntry] = field(default_factory=dict)  # by part/graph, where another form is to be opened

    def open(self, name: str, entry: GraphEntry, locate: Callable[[str], Path | bytes], threads: int) -> Graph:
        """The graph ``name`` (part/graph); one that cannot be replaced and may hang is opened as it is."""
        entry = self.chosen.get(name, entry)
        forms = forms_of(entry)
        self.backends[name] = entry.backend
        open_form = open_graph if self.shared is None else self.shared.open
        if len(forms) == 1 and self.patience is None:
            return open_form(entry, locate(entry.file), threads=threads)
        files = {form.file: locate(form.file) for form in forms}

        def opener(form: GraphEntry) -> Graph:
            return open_form(form, files[form.file], threads=threads)

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
        if form.file.endswith(".onnx") and form.backend in (*ONNX_BACKENDS, GPU):
            for name in filter(_installed, ONNX_BACKENDS):
                forms.setdefault(name, form.model_copy(update={"backend": name}))
    return tuple(forms.values())


@cache
def _installed(package: str) -> bool:
    return find_spec(package) is not None
