"""From a model to a chip: which operators would fall back, the graphs in the chip's own form, what proves how far.

A profile (``sensorium_devices.targets``) names its family, and a family is one file here of that name.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from sensorium.backends import Graph
from sensorium.bundle import Stage
from sensorium.host import Host
from sensorium_compile.draft import GraphDraft
from sensorium_compile.targets import qemu
from sensorium_compile.targets.source import Source
from sensorium_devices.targets import Target, targets

__all__ = [
    "PROCESSORS",
    "Family",
    "Placement",
    "Refused",
    "Source",
    "TargetGraph",
    "families",
    "find_family",
    "reached",
]

PROCESSORS = ("cpu", "arm")  # families whose bundles the search over every backend makes, where there is no file


@dataclass(frozen=True, slots=True)
class Refused:
    """An operator that the accelerator does not take as it stands."""

    operator: str
    layer: str  # path of the module, or the node's name
    why: str
    change: str  # what to write instead
    node: str = ""  # its first output in the graph

    def __str__(self) -> str:
        return f"{self.operator} in {self.layer or '(top)'}: {self.why}; {self.change}"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the operators of a graph run: as predicted before it is compiled, or as the tool did it."""

    operators: int  # all that compute; constants and such are none
    fell_back: tuple[Refused, ...] = ()  # those that do not run on the accelerator
    cost: str = ""  # what that would cost, in words with its numbers

    @property
    def on_accelerator(self) -> int:
        """How many run on the accelerator."""
        return self.operators - len(self.fell_back)


@dataclass(frozen=True, slots=True, eq=False)
class TargetGraph:
    """One graph in a chip's own form."""

    draft: GraphDraft  # what ships; its ``evidence`` says how far it got
    placed: Placement | None  # what the tool did; None where no tool was run
    open: Callable[[], Graph]  # what executes it here, to see what is left of its accuracy
    by: str  # what that is: "ONNX Runtime on this processor, a simulation", "HTP emulation"
    estimated_ms: float | None = None  # what the vendor's tool estimates; never measured
    slow: bool = False  # seconds an answer: it is judged on few examples


class Family(Protocol):
    """What each file of this folder offers as its module's names."""

    FORMS: tuple[str, ...]  # precisions to lower to, the preferred one first
    ASIDE: bool  # whether all that pass the gate ship, because only the device can tell which is the faster

    def reaches(self, target: Target) -> Stage:
        """The highest status that a graph can get here, as things are installed."""
        ...

    def missing(self, target: Target) -> str | None:
        """What a higher one needs, or None."""
        ...

    def predict(self, source: Source, target: Target) -> Placement:
        """Which operators would fall back, and what that would cost. Nothing is compiled for it."""
        ...

    def lower(self, source: Source, target: Target, form: str) -> TargetGraph:
        """The graph at that precision; raises CompileError naming the operator and the layer."""
        ...


def families() -> tuple[str, ...]:
    """Every family that there is a file for."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name in _known()))


def find_family(name: str) -> Family | None:
    """The family's module, or None where its profile is all that there is yet."""
    if name not in _known():
        return None
    return cast(Family, importlib.import_module(f"{__name__}.{name}"))


def reached(target: Target) -> tuple[Stage, str | None]:
    """The highest status that a graph can get here on its way to a target, and what a higher one needs."""
    family = find_family(target.family)
    if family is not None:
        return family.reaches(target), family.missing(target)
    if target.family in PROCESSORS:
        return _by_processor(target)
    return "exported", f"no lowering for the family {target.family} is here yet"


def _by_processor(target: Target) -> tuple[Stage, str | None]:
    if target.is_here:
        return "measured", None
    alone = f"measured on {target.host} alone; this is {Host.here()}"
    if target.family != qemu.FAMILY:
        return "linted", alone
    lacking = qemu.missing()
    return ("emulated", alone) if lacking is None else ("linted", lacking)


def _known() -> set[str]:
    return {target.family for target in targets()} & {m.name for m in pkgutil.iter_modules(__path__)}
