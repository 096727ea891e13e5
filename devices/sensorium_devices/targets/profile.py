"""What is known of a chip, and from where: every table of figures names its source.

``Target.parse("jetson-orin-nano")`` reads ``jetson-orin-nano.toml`` of this folder. A profile may be ``based_on``
another and say only what is different; its tables are laid over the other's, its lists replace them. A profile whose
name begins with ``_`` is only there to be based on. Operator sets are files of their own, ``operators/NAME.toml``, for
several chips share one compiler.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.errors import TargetError, first_fault, unknown
from sensorium.host import Host

Precision = Literal["float32", "float16", "bfloat16", "int16", "int8"]
Source = Annotated[str, Field(pattern=r"^https://|^PyPI ")]  # a page, or a file of a package with its version


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Unit(_Table):
    """One kind of processor on the chip."""

    kind: Literal["cpu", "gpu", "npu"]
    name: str
    int8_tops: Annotated[float, Field(gt=0)] | None = None  # dense, as the vendor tells it
    macs_per_cycle: Annotated[int, Field(gt=0)] | None = None
    clock_mhz: Annotated[float, Field(gt=0)] | None = None
    source: Source


class Memory(_Table):
    """What graphs and activations must fit into."""

    size_mb: Annotated[float, Field(gt=0)] | None = None  # of the whole chip or module
    bandwidth_gb_s: Annotated[float, Field(gt=0)] | None = None
    local_mb: Annotated[float, Field(gt=0)] | None = None  # close to the accelerator: SRAM, VTCM
    source: Source


class Tool(_Table):
    """What compiles for the chip."""

    name: str
    version: str
    runs_on: Literal["host", "device"]  # host: this can be installed where one compiles
    package: str = ""  # the distribution on PyPI, where it is one
    options: dict[str, str] = {}  # what it must be told for this chip: soc_model, accelerator-config
    source: Source


class Power(_Table):
    """What the chip or module may draw, in watts, and how hot it may get."""

    modes_w: tuple[Annotated[float, Field(gt=0)], ...] = ()
    throttle_c: float | None = None
    source: Source


class Capture(_Table):
    """The cameras and microphones that are usual on it."""

    cameras: tuple[str, ...] = ()
    microphones: tuple[str, ...] = ()
    source: Source


class Operator(_Table):
    """What one operator may be on the accelerator."""

    types: tuple[str, ...] = ()  # of its first input; none: whatever the set takes
    limits: str = ""  # in words, where the table has some


class Operators(_Table):
    """The operators that a compiler takes."""

    name: str
    tool: str
    version: str
    form: Literal["onnx", "tflite", "openvino"]  # whose names these are
    opset: tuple[int, int] | None = None  # of ONNX, least and greatest
    source: Source
    plain: tuple[str, ...] = ()  # those of which no more is told
    supported: dict[str, Operator] = {}  # those of which more is
    refused: tuple[str, ...] = ()  # named as not supported, where the table names them

    def takes(self, operator: str) -> bool:
        """Whether the compiler has it."""
        return operator in self.supported or operator in self.plain


class Target(_Table):
    """A chip profile. ``str()`` of it is its name, and ``Target.parse`` of that name is it."""

    name: str
    title: str
    family: str  # names the file of sensorium_compile.targets that lowers for it
    operators: str = ""  # names the file in operators/; none: whatever the tool, which is installed here, takes
    precisions: tuple[Precision, ...]
    opset: int  # of the ONNX graphs that are written for it
    static_shapes: bool  # whether every shape must be known
    fallback: Literal["cpu", "none"]  # where an operator runs that the accelerator lacks
    unit: tuple[Unit, ...] = Field(min_length=1)
    memory: Memory | None = None
    tool: Tool
    power: Power | None = None
    capture: Capture | None = None
    host: Host  # only there can a graph be measured for it
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, text: str) -> Self:
        """The profile of that name; raises TargetError naming those that there are, or what is wrong in its file."""
        if text not in target_names():
            raise TargetError(unknown("target", text, target_names()))
        try:
            return cls.model_validate({**_read(text), "name": text})
        except ValidationError as err:
            raise TargetError(f"target {text}: {first_fault(err)}") from err

    @property
    def operator_set(self) -> Operators | None:
        """The operators that its compiler takes; None where the tool itself is asked."""
        return load_operators(self.operators) if self.operators else None

    @property
    def accelerator(self) -> Unit:
        """The unit that graphs are compiled for: the NPU, else the GPU, else the CPU."""
        return next(unit for kind in ("npu", "gpu", "cpu") for unit in self.unit if unit.kind == kind)

    @property
    def is_here(self) -> bool:
        """Whether this machine is one."""
        return self.host.fits(Host.here())


def target_names() -> tuple[str, ...]:
    """Every target that there is a profile of."""
    return tuple(sorted(name for name in _profiles() if not name.startswith("_")))


def targets() -> Iterator[Target]:
    """Every profile."""
    return map(Target.parse, target_names())


@cache
def load_operators(name: str) -> Operators:
    """The operator set of that name; raises TargetError."""
    known = {f.name.removesuffix(".toml"): f for f in (_folder() / "operators").iterdir() if f.name.endswith(".toml")}
    if name not in known:
        raise TargetError(unknown("operator set", name, known))
    try:
        return Operators.model_validate({**_toml(known[name]), "name": name})
    except ValidationError as err:
        raise TargetError(f"operator set {name}: {first_fault(err)}") from err


def _read(name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A profile's table, laid over what it is based on."""
    if name in below:
        raise TargetError(f"target {name} is based on itself: {' on '.join((*below, name))}")
    if name not in _profiles():
        raise TargetError(f"target {below[-1]}: based_on: {unknown('profile', name, _profiles())}")
    own = _toml(_profiles()[name])
    base = own.pop("based_on", None)
    return own if base is None else _laid_over(_read(base, (*below, name)), own)


def _laid_over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(base)
    for key, value in own.items():
        before = made.get(key)
        made[key] = _laid_over(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return made


def _profiles() -> dict[str, Traversable]:
    return {f.name.removesuffix(".toml"): f for f in _folder().iterdir() if f.name.endswith(".toml")}


def _folder() -> Traversable:
    return resources.files("sensorium_devices") / "targets"


def _toml(file: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as err:
        raise TargetError(f"{file.name} is no TOML: {err}") from err
