"""``sensorium compile``: from weights to a bundle."""

import json as jsonlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sensorium_apps import options


def compile_(
    recipe: Annotated[str, typer.Argument(help="A recipe's name (companion), or a .toml file.")],
    target: Annotated[str | None, typer.Option(help="The chip it is for; default: this machine's.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder, or a .zip file; default: where sensorium run looks for it.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Build a bundle from pulled weights: converted, checked against their originals, and packed.

    Examples:

      sensorium compile companion

      sensorium compile companion --target arm-cpu --out companion-arm.zip
    """
    from sensorium.bundle.loaded import host_target
    from sensorium_apps.paths import bundle_folder
    from sensorium_compile.recipe import compile_recipe, load_recipe
    from sensorium_compile.zoo import Weights

    loaded = load_recipe(recipe)
    out = out or bundle_folder(loaded.name)
    with (
        _bar() as progress,
        compile_recipe(loaded, target or host_target(), out, Weights(), progress) as bundle,
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


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("compiling", total=None)

        def progress(what: str, done: int, total: int) -> None:
            bars.update(task, description=what, completed=done, total=total)

        yield progress
