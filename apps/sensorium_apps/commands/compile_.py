"""``sensorium compile``: from weights or a recipe to a bundle."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium_apps import options
from sensorium_apps.progress import progress_bar

if TYPE_CHECKING:
    from sensorium_compile.pipeline import Budget, Job
    from sensorium_compile.recipe import ModelRecipe, Recipe
    from sensorium_compile.targets.table import TargetRow

ALL = "all"  # targets
NOTE_SHOWN = 240  # characters of a target's note in the table


def compile_(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name (companion, keypad, scene, vqa), or a .toml file; not with --pick.")
    ] = "",
    target: Annotated[
        str | None, typer.Option(help="The chip it is for (sensorium targets), or all; default: this machine's.")
    ] = None,
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

      sensorium compile keypad --target jetson-orin-nano --data DIR

      sensorium compile keypad --target all --out bundles
    """
    from sensorium_compile.errors import CompileError
    from sensorium_compile.pipeline import Budget, Job
    from sensorium_compile.recipe import ModelRecipe, load_recipe, recipe_text

    budget = Budget(max_ms, max_mb)
    if pick:
        _picked(recipe, out, budget, json)
        return
    if not recipe:
        raise CompileError("which recipe? Give a name (companion, keypad, scene, vqa) or a .toml file, or --pick")
    loaded = load_recipe(recipe)
    if target is not None and not _by_backends(target):
        job = Job(recipe_text(recipe), recipe, target, data, checkpoint, retrain, hard, tuple(backend or ()))
        _compile_targets(job, loaded.name, out, json)
        return
    if isinstance(loaded, ModelRecipe):
        _compile_model(
            recipe, loaded, target, out, (data, checkpoint, retrain, hard, tuple(backend or ())), budget, json
        )
        return
    _compile_parts(loaded, target, out, json)


def _by_backends(target: str) -> bool:
    """Whether the search over every backend makes the bundle: for a processor that has no lowering of its own."""
    from sensorium_compile.targets import PROCESSORS, find_family
    from sensorium_devices.targets import Target

    if target == ALL:
        return False
    family = Target.parse(target).family
    return family in PROCESSORS and find_family(family) is None


def _compile_targets(job: "Job", name: str, out: Path | None, json: bool) -> None:
    """One target, or all, and the table of what became of the recipe on each."""
    from dataclasses import asdict

    from sensorium_apps.paths import bundle_folder
    from sensorium_compile.errors import CompileError
    from sensorium_compile.stages import Stages, cache_folder
    from sensorium_compile.targets.compiling import Compiling
    from sensorium_compile.zoo import Weights
    from sensorium_devices.targets import Target, targets

    with progress_bar("compiling") as progress:
        compiling = Compiling(job, Weights(), Stages(cache_folder()), progress)
        if job.target == ALL:
            folder = out or bundle_folder(f"{name}-targets")
            rows = list(compiling.each(tuple(targets()), folder))
        else:
            folder = out or bundle_folder(f"{name}-{job.target}")
            rows = [compiling.one(Target.parse(job.target), folder)]
    if json:
        typer.echo(jsonlib.dumps([asdict(row) for row in rows]))
    else:
        _tell_targets(rows, folder)
    if not any(row.form for row in rows):
        raise CompileError(f"{name} is not compiled for {job.target}: {rows[0].note}")


def _tell_targets(rows: "list[TargetRow]", folder: Path) -> None:
    from sensorium_apps.tables import console, mb, table

    made = table(
        "target", "tool", "form", "status", "on accelerator", "MB", "ms", "worst subset", "notes", right=(4, 5, 6)
    )
    for row in rows:
        placed = f"{row.on_accelerator} of {row.operators}{' (predicted)' if row.predicted else ''}"
        made.add_row(
            row.target,
            row.tool,
            row.form or "refused",
            row.status or "none",
            placed if row.operators is not None else "",
            mb(row.size_bytes),
            f"{row.ms:.2f} {row.ms_is}" if row.ms is not None else "",
            _worst(row),
            row.note if len(row.note) <= NOTE_SHOWN else f"{row.note[:NOTE_SHOWN]}...",
        )
    console().print(made)
    typer.echo(f"bundles: {folder}; more in each one's report.html, or with --json")


def _worst(row: "TargetRow") -> str:
    told = row.worst
    if told is None:
        return "not measured"
    lost = f", at most {told.lost:.1f} points below float" if told.lost is not None else ""
    interval = f"{told.low:.0%} to {told.high:.0%}, n {told.examples}"
    return f"{told.subset} {told.accuracy:.1%} ({interval}){lost}; {told.by}"


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
