"""Lowering: a torch module becomes a graph that one backend executes, at one precision.

``backends()`` names what can be lowered to, ``precisions(name)`` what each offers, ``lower(...)`` does it. A backend
is one file here and one of the same name in ``sensorium.backends``, which runs what this one made.
"""

import importlib
import pkgutil
from collections.abc import Collection
from typing import Protocol, cast

from sensorium.backends import backend_names
from sensorium.errors import SensoriumError, unknown
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.calibration import Calibration, Feeds, Ranges
from sensorium_compile.lower.exportable import Exportable, blocks

__all__ = [
    "Backend",
    "Calibration",
    "Exportable",
    "Feeds",
    "Ranges",
    "backends",
    "blocks",
    "lower",
    "missing",
    "precisions",
]


class Backend(Protocol):
    """What each file of this folder offers as its module's names."""

    PRECISIONS: tuple[str, ...]

    def missing(self) -> str | None:
        """Why this backend cannot be used here and what to install, or None."""
        ...

    def lower(self, graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str]) -> GraphDraft:
        """The graph at that precision; blocks in ``keep`` stay in float."""
        ...


def backends() -> tuple[str, ...]:
    """Every backend that this package lowers to, installed or not."""
    return tuple(sorted({m.name for m in pkgutil.iter_modules(__path__)} & set(backend_names())))


def precisions(backend: str) -> tuple[str, ...]:
    """The precisions that a backend offers, e.g. ``("float32", "int8-dynamic")``."""
    return _backend(backend).PRECISIONS


def missing(backend: str) -> str | None:
    """Why a backend cannot be used here and what to install, or None when it can."""
    return _backend(backend).missing()


def lower(
    backend: str, graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = ()
) -> GraphDraft:
    """Lower one graph. ``keep`` names blocks (module paths, see ``blocks``) that stay in float.

    The draft's one golden case, ``example``, is the graph's own example inputs; replace it by better ones.

    Raises CompileError: no such backend or precision, a backend that is not installed, a block that does not exist,
    a weight that is not finite, an operator that the backend lacks, or ranges that were not recorded.
    """
    chosen = _backend(backend)
    if precision not in chosen.PRECISIONS:
        raise CompileError(f"{backend}: {unknown('precision', precision, chosen.PRECISIONS)}")
    if (reason := chosen.missing()) is not None:
        raise CompileError(f"{backend} cannot be used here: {reason}")
    graph.check(keep)
    try:
        return chosen.lower(graph, precision, calibration, keep)
    except SensoriumError:
        raise
    except Exception as err:  # exporters raise whatever they like
        reason = (str(err).splitlines() or [""])[0]
        raise CompileError(
            f"{backend} cannot take graph {graph.name} at {precision}: {type(err).__name__}: {reason}; "
            f"leave this backend out or change the model"
        ) from err


def _backend(name: str) -> Backend:
    if name not in backends():
        raise CompileError(unknown("backend", name, backends()))
    return cast(Backend, importlib.import_module(f"{__name__}.{name}"))
