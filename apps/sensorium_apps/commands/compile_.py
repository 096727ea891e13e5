"""``sensorium compile``: from weights or a recipe to a bundle."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium_apps import options
from sensorium_apps.progress import progress_bar

if TYPE_CHECKING:
    from sensorium_compile.pipeline import Budget
    from sensorium_compile.recipe import ModelRecipe, Recipe


def compile_(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name (companion, keypad, scene, vqa), or a .toml file; not with --pick.")
    ] = "",
    target: Annotated[str | None, typer.Option(help="The chip it is for; default: this machine's.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder, or a .zip file; default: where sensorium run looks for it.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The folder of the recipe's data: trains, calibrates, measures.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint's folder instead of the one that ships.")
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Teach and distil again; needs --data.")] = False,
    hard: Annotated[
        Path | None, typer.Option(help="A folder of noises and rooms: measures the hard protocol too (a few minutes).")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="Only this backend; may be given again. Default: all that are installed.")
    ] = None,
    pick: Annotated[bool, typer.Option("--pick", help="Choose again among what the last run measured.")] = False,
    max_ms: Annotated[float | None, typer.Option(min=0.0, help="The answer may take so long, one thread.")] = None,
    max_mb: Annotated[float | None, typer.Option(min=0.0, help="The graphs may have so many megabytes.")] = None,
    json: options.Json = False,
) -> None:
    """Compile a bundle for one chip, and prove what is left for every subset of senses.

    A recipe of ready parts is converted, checked against the originals, and packed. A recipe of a model is taught and
    distilled (or its checkpoint loaded), lowered to every backend that is installed, measured, and the fastest form
    that passes the gate is shipped; report.html beside it tells the rest.

    Examples:

      sensorium compile companion

      sensorium compile keypad --out keypad.bundle

      sensorium compile keypad --data DIR --retrain

      sensorium compile --pick --max-ms 2 --out fast.bundle
    """
    from sensorium_compile.errors import CompileError
    from sensorium_compile.pipeline import Budget
    from sensorium_compile.recipe import ModelRecipe, load_recipe

    budget = Budget(max_ms, max_mb)
    if pick:
        _picked(recipe, out, budget, json)
        return
    if not recipe:
        raise CompileError("which recipe? Give a name (companion, keypad, scene, vqa) or a .toml file, or --pick")
    loaded = load_recipe(recipe)
    if isinstance(loaded, ModelRecipe):
        _compile_model(
            recipe, loaded, target, out, (data, checkpoint, retrain, hard, tuple(backend or ())), budget, json
        )
        return
    _compile_parts(loaded, target, out, json)


def _compile_parts(recipe: "Recipe", target: str | None, out: Path | None, json: bool) -> None:
    from sensorium.bundle.loaded import host_target
    from sensorium_apps.paths import bundle_folder
    from sensorium_compile.recipe import compile_recipe
    from sensorium_compile.zoo import Weights

    out = out or bundle_folder(recipe.name)
    with (
        progress_bar("compiling") as progress,
        compile_recipe(recipe, target or host_target(), out, Weights(), progress) as bundle,
    ):
        told = {
            "bundle": str(out),
            "target": bundle.manifest.target,
            "digest": bundle.digest,
            "parts": list(bundle.manifest.parts),
            "size_mb": round(sum(entry.size for entry in bundle.manifest.files.values()) / 1e6, 1),
        }
        parts = ", ".join(bundle.manifest.parts)
    if json:
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(f"{out}: for {told['target']}, {told['size_mb']} MB: {parts}")
    typer.echo(f"sha256 of its manifest: {told['digest']}")


def _compile_model(
    given: str,
    recipe: "ModelRecipe",
    target: str | None,
    out: Path | None,
    material: tuple[Path | None, Path | None, bool, Path | None, tuple[str, ...]],
    budget: "Budget",
    json: bool,
) -> None:
    from sensorium.bundle.loaded import host_target
    from sensorium_apps.paths import bundle_folder
    from sensorium_compile.pipeline import Job, compile_model
    from sensorium_compile.recipe import recipe_text
    from sensorium_compile.stages import Stages, cache_folder
    from sensorium_compile.zoo import Weights

    job = Job(recipe_text(given), given, target or host_target(), *material)
    with progress_bar("compiling") as progress:
        made = compile_model(
            job, out or bundle_folder(recipe.name), budget, Weights(), Stages(cache_folder()), progress
        )
    _tell(made, json)


def _picked(recipe: str, out: Path | None, budget: "Budget", json: bool) -> None:
    from sensorium_compile.errors import CompileError
    from sensorium_compile.pipeline import pick
    from sensorium_compile.stages import Stages, cache_folder

    if recipe:
        raise CompileError(f"--pick answers for the last run; leave {recipe} out, or leave --pick out")
    _tell(pick(out, budget, Stages(cache_folder())), json)


def _tell(made: Any, json: bool) -> None:
    from sensorium_compile.verify.pareto import describe

    if json:
        told = {
            "bundle": str(made.out),
            "candidate": made.choice.name,
            "ms": made.choice.ms,
            "size_mb": made.choice.size_bytes / 1e6,
            "worst_subset": made.choice.subset,
            "accuracy": made.choice.accuracy,
            "cached": made.cached,
        }
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(f"{made.out}: {describe(made.choice)}{' (known from an earlier run)' if made.cached else ''}")
    typer.echo(f"report: {made.out / 'report.html' if made.out.is_dir() else 'report.html inside'}")
