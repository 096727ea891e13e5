"""``sensorium inspect``: what a bundle is made of, and what was measured of it."""

import json as jsonlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from rich.table import Table

SHA_SHOWN = 12


def inspect_(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder or .zip file, or the name of one compiled here.")],
    json: options.Json = False,
) -> None:
    """Tell what is in a bundle: parts, graphs, figures of every subset of senses, what was tried, licences, hashes.

    Examples:

      sensorium inspect companion

      sensorium inspect keypad.zip --json
    """
    from sensorium_apps.inspection import inspect_bundle, open_any
    from sensorium_apps.tables import console, mb

    with open_any(bundle) as opened:
        told = inspect_bundle(opened)
    if json:
        typer.echo(jsonlib.dumps(told, ensure_ascii=False))
        return
    out = console()
    out.print(f"{told['name']} for {told['target']}: {mb(told['size_bytes'])} MB, {told['bundle']}")
    out.print(f"sha256 of its manifest: {told['digest']}")
    for made in _tables(told):
        out.print()
        out.print(made)
    out.print()
    out.print("made with " + ", ".join(f"{tool} {version}" for tool, version in told["tools"].items()))
    for note in told["notes"]:
        out.print(f"note: {note}")


def _tables(told: dict[str, Any]) -> "Iterator[Table]":
    yield _graphs(told["parts"])
    if told["stages"]:
        yield _stages(told["stages"])
    if told["figures"]:
        yield _figures(told["figures"])
    if told["candidates"]:
        yield _candidates(told["candidates"])
    if kept := [block for block in told["blocks"] if block["reason"]]:
        yield _kept(kept)
    yield _origins(told["parts"])


def _graphs(parts: dict[str, Any]) -> "Table":
    from sensorium_apps.tables import mb, table

    made = table("part", "role", "graph", "backend", "precision", "status", "MB", "sha256", title="parts", right=(6,))
    for name, part in parts.items():
        rows = [
            (
                graph,
                one["backend"],
                one["precision"],
                one["status"] or "",
                mb(one["size_bytes"]),
                one["sha256"][:SHA_SHOWN],
            )
            for graph, one in part["graphs"].items()
        ]
        rows += [
            (file, "file", "", "", mb(one["size_bytes"]), one["sha256"][:SHA_SHOWN])
            for file, one in part["files"].items()
        ]
        for i, row in enumerate(rows or [("", "", "", "", "", "")]):
            made.add_row(name if i == 0 else "", part["role"] if i == 0 else "", *row)
    return made


def _stages(stages: dict[str, Any]) -> "Table":
    from sensorium_apps.tables import mb, ms, share, table

    made = table("senses", *stages, title="accuracy (95% interval)")
    for subset in dict.fromkeys(subset for stage in stages.values() for subset in stage["subsets"]):
        made.add_row(subset, *(share(stage["subsets"].get(subset)) for stage in stages.values()))
    made.add_row("MB", *(mb(stage["size_bytes"]) for stage in stages.values()), style="dim")
    made.add_row("ms an answer", *(ms(stage["ms"]) for stage in stages.values()), style="dim")
    return made


def _figures(figures: dict[str, float]) -> "Table":
    from sensorium_apps.tables import table

    made = table("figure", "value", title="figures", right=(1,))
    for name, value in figures.items():
        made.add_row(name, f"{value:.4g}")
    return made


def _candidates(candidates: list[dict[str, Any]]) -> "Table":
    from rich.text import Text

    from sensorium_apps.tables import mb, ms, table

    made = table("candidate", "ms", "MB", "worst subset", "verdict", title="what was tried", right=(1, 2))
    for row in candidates:
        worst = min(row["subsets"].items(), key=lambda item: item[1]["accuracy"], default=None)
        shown = f"{worst[1]['accuracy']:.1%} {worst[0]}" if worst else "·"
        verdict = "ships" if row["shipped"] else "passed" if row["passed"] else "refused"
        why = "; ".join((*row["reasons"], *row["notes"]))
        style = "green" if row["shipped"] else "" if row["passed"] else "red"
        text = Text.assemble((verdict, style), f": {why}" if why else "")
        made.add_row(f"{row['name']} {row['variant']}".strip(), ms(row["ms"]), mb(row["size_bytes"]), shown, text)
    return made


def _kept(blocks: list[dict[str, Any]]) -> "Table":
    from sensorium_apps.tables import table

    made = table("graph", "block", "precision", "why", title="what was not quantized")
    for block in blocks:
        made.add_row(block["graph"], block["block"], block["precision"], block["reason"])
    return made


def _origins(parts: dict[str, Any]) -> "Table":
    from sensorium_apps.tables import table

    made = table("part", "from", "file", "licence", "sha256", title="origins and licences")
    for name, part in parts.items():
        for origin in part["origins"]:
            made.add_row(name, origin["package"], origin["file"], origin["licence"], origin["sha256"][:SHA_SHOWN])
    return made
