"""What executes a graph. One file a backend, found by its name."""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sensorium.errors import BackendError, unknown
from sensorium.samples import Array

if TYPE_CHECKING:
    from sensorium.bundle.manifest import GraphEntry, TensorSpec


class Graph(Protocol):
    """An opened graph. One thread at a time runs it."""

    @property
    def inputs(self) -> "tuple[TensorSpec, ...]":
        """Its inputs, in order."""
        ...

    @property
    def outputs(self) -> "tuple[TensorSpec, ...]":
        """Its outputs, in order."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; raises BackendError with the backend's own words."""
        ...


def backend_names() -> tuple[str, ...]:
    """Every backend that this runtime knows, installed or not."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def open_graph(entry: "GraphEntry", model: Path | bytes, *, threads: int = 0) -> Graph:
    """Open a graph with the backend it names.

    Raises BackendError when there is no such backend, it is not installed, or it refuses the graph.
    """
    if entry.backend not in backend_names():
        raise BackendError(unknown("backend", entry.backend, backend_names()))
    try:
        module = importlib.import_module(f"{__name__}.{entry.backend}")
    except ImportError as err:
        raise BackendError(f"backend {entry.backend} is not installed: {err}") from err
    graph: Graph = module.open_graph(entry, model, threads)
    return graph
