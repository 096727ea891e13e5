"""What a compile run follows: a TOML file, checked at the door."""

import importlib
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.bundle import Bundle
from sensorium.errors import unknown
from sensorium_compile.draft import PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import pack
from sensorium_compile.zoo import Weights

TARGETS = ("arm-cpu", "x86-cpu")  # what ONNX Runtime's own kernels execute; the graphs are the same

Progress = Callable[[str, int, int], None]  # what is being made, how many are done, how many there are


class Recipe(BaseModel):
    """A bundle of ready parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    description: str = ""
    parts: tuple[str, ...] = Field(min_length=1)


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with Sensorium."""
    folder = resources.files("sensorium_compile") / "recipes"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_recipe(text: str) -> Recipe:
    """A recipe by name, or from a TOML file; raises CompileError naming the key and what is allowed."""
    path = Path(text)
    if path.suffix == ".toml":
        if not path.is_file():
            raise CompileError(f"no recipe file {text}")
        content = path.read_text(encoding="utf-8")
    elif text in recipe_names():
        content = (resources.files("sensorium_compile") / "recipes" / f"{text}.toml").read_text(encoding="utf-8")
    else:
        raise CompileError(unknown("recipe", text, recipe_names()) + "; or give a .toml file")
    try:
        return Recipe.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as err:
        raise CompileError(f"recipe {text} is no TOML: {err}") from err
    except ValidationError as err:
        first = err.errors()[0]
        raise CompileError(f"recipe {text}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from err


def compile_recipe(
    recipe: Recipe, target: str, out: Path, weights: Weights, progress: Progress = lambda *_: None
) -> Bundle:
    """Build every part from its weights and pack them into ``out``; returns the bundle, opened and checked."""
    if target not in TARGETS:
        raise CompileError(unknown("target", target, TARGETS))
    drafts: dict[str, PartDraft] = {}
    for done, name in enumerate(recipe.parts):
        progress(name, done, len(recipe.parts) + 1)
        drafts[name] = _builder(name)(weights)
    progress("packing", len(recipe.parts), len(recipe.parts) + 1)
    pack(recipe.name, target, drafts, out)
    progress("packed", len(recipe.parts) + 1, len(recipe.parts) + 1)
    return Bundle(out, target=target)


def _builder(name: str) -> Callable[[Weights], PartDraft]:
    known = [f.name.removesuffix(".py") for f in resources.files("sensorium_compile.parts").iterdir()]
    known = [n for n in known if not n.startswith("_")]
    if name not in known:
        raise CompileError(unknown("part", name, known))
    build: Callable[[Weights], PartDraft] = importlib.import_module(f"sensorium_compile.parts.{name}").build
    return build
