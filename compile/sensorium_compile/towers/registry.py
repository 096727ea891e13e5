"""Towers by name: those of this package, and those that a plugin adds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sensorium.errors import first_fault, unknown
from sensorium_compile.errors import CompileError, keys_of
from sensorium_compile.towers.base import Tower, TowerOptions
from sensorium_compile.zoo import Weights

# (spec of the input, parsed options, weights): without weights the same layers come with random values.
Build = Callable[[Any, Any, Weights | None], Tower]


@dataclass(frozen=True, slots=True)
class _Kind:
    build: Build
    options: type[TowerOptions]


_KINDS: dict[str, _Kind] = {}


def register_tower(name: str, build: Build, options: type[TowerOptions] = TowerOptions) -> None:
    """Make ``build`` known under ``name``; the recipe's table is parsed as ``options``.

    Raises CompileError where the name means another tower already.
    """
    known = _KINDS.get(name)
    if known is not None and known.build is not build:
        raise CompileError(f"the tower name {name!r} is taken; register yours under another")
    _KINDS[name] = _Kind(build, options)


def tower_names() -> tuple[str, ...]:
    """The towers that are known now."""
    return tuple(sorted(_KINDS))


def parse_options(name: str, table: Mapping[str, object] | TowerOptions) -> TowerOptions:
    """The options of tower ``name`` out of a recipe's table; raises CompileError where they are none."""
    if name not in _KINDS:
        raise CompileError(unknown("tower", name, _KINDS))
    model = _KINDS[name].options
    if isinstance(table, model):
        return table
    if isinstance(table, TowerOptions):
        raise CompileError(f"tower {name!r} takes {model.__name__}, given {type(table).__name__}")
    try:
        return model.model_validate(dict(table))
    except ValidationError as err:
        raise CompileError(f"tower {name!r}: {first_fault(err, known=keys_of(model))}") from err


def build_tower(
    name: str, spec: object, options: Mapping[str, object] | TowerOptions, weights: Weights | None = None
) -> Tower:
    """The tower ``name`` for inputs of ``spec``, pretrained where ``weights`` are given and it has some.

    Without weights it has the same layers and shapes, so that a state dict saved from it can be loaded.
    Raises CompileError where the name or an option is unknown, or the input does not fit.
    """
    parsed = parse_options(name, options)
    return _KINDS[name].build(spec, parsed, weights)


def dimension(spec: object, name: str, tower: str) -> int:
    """A size that the input's spec must give, e.g. ``height``; raises CompileError where it does not."""
    value = getattr(spec, name, None)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        kind = getattr(spec, "kind", type(spec).__name__)
        raise CompileError(f"tower {tower!r} needs an input with {name} of 1 or more; given {kind!r} with {value!r}")
    return value


def image_side(spec: object, tower: str) -> tuple[int, int]:
    """Height and width of an input that is one image; raises CompileError where it is none, or a clip."""
    if getattr(spec, "frames", 1) != 1:
        raise CompileError(
            f"tower {tower!r} takes one image; for a clip name the tower 'video', with image = {tower!r}"
        )
    return dimension(spec, "height", tower), dimension(spec, "width", tower)
