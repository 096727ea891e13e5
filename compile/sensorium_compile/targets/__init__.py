"""From a model to a chip: which operators would fall back, the graphs in the chip's own form, what proves how far.

A profile (``sensorium_devices.targets``) names its family, and a family is one file here of that name.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import onnx

from sensorium.backends import Graph
from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower.calibration import Ranges
from sensorium_compile.lower.exportable import Exportable
from sensorium_devices.targets import Target

__all__ = ["Family", "Placement", "Refused", "Source", "TargetGraph", "families", "find_family"]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A graph before it is lowered for a chip."""

    name: str
    model: onnx.ModelProto  # float32, opset 20
    paths: Mapping[str, str]  # node -> the layer of the model that it comes from
    ranges: Ranges | None = None  # of what goes in and out of layers, as recorded for ONNX Runtime; None: no int8
    exportable: Exportable | None = None  # the PyTorch module, where there is one
    float_paths: tuple[str, ...] = ()  # layers that stay in float
    example: Mapping[str, "onnx.TensorProto"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """An operator that the accelerator does not take as it stands."""

    operator: str
    layer: str  # path of the module, or the node's name
    why: str
    change: str  # what to write instead

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


class Family(Protocol):
    """What each file of this folder offers as its module's names."""

    FORMS: tuple[str, ...]  # precisions to lower to, the preferred one first

    def missing(self, target: Target) -> str | None:
        """What is to be installed for the highest status that can be reached here, or None."""
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


def _known() -> set[str]:
    from sensorium_devices.targets import targets

    return {target.family for target in targets()} & {m.name for m in pkgutil.iter_modules(__path__)}
