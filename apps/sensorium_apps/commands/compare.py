"""``sensorium compare``: what changed from one bundle to another."""

import json as jsonlib
from typing import Annotated, Any

import typer

from sensorium_apps import options


def compare(
    a: Annotated[str, typer.Argument(help="A bundle's folder or .zip file, or the name of one compiled here.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    json: options.Json = False,
) -> None:
    """Tell what changed: parts, graphs, precisions, accuracy of every subset of senses, size, latency, licences.

    Examples:

      sensorium compare keypad keypad-small.zip

      sensorium compare old.zip new.zip --json
    """
    from sensorium_apps.difference import compare_bundles
    from sensorium_apps.inspection import inspect_bundle, open_any

    with open_any(a) as first, open_any(b) as second:
        told = compare_bundles(inspect_bundle(first), inspect_bundle(second))
    if json:
        typer.echo(jsonlib.dumps(told, ensure_ascii=False))
        return
    _print(told)


def _print(told: dict[str, Any]) -> None:
    from sensorium_apps.tables import console, table

    out = console()
    if told["same"]:
        out.print(f"{told['a']} and {told['b']} are the same, byte for byte")
        return
    out.print(f"a: {told['a']}\nb: {told['b']}")
    made = table("what", "a", "b", "change")
    for row in (*_totals(told), *_subsets(told["subsets"]), *_latencies(told["ms_by_subset"])):
        made.add_row(*row)
    out.print(made)
    for line in (*_parts(told), *_rest(told)):
        out.print(line)


def _totals(told: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    from sensorium_apps.tables import mb, ms

    size, latency = told["size_bytes"], told["ms"]
    rows = [("MB", mb(size[0]), mb(size[1]), _ratio(*size))]
    if None not in latency:
        rows.append(("ms an answer", ms(latency[0]), ms(latency[1]), _ratio(*latency)))
    return rows


def _subsets(subsets: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    rows = []
    for subset, row in subsets.items():
        change = ""
        if "points" in row:
            change = f"{row['points']:+.1f} points" + (", intervals apart" if row["intervals_apart"] else "")
        a, b = row["accuracy"]
        rows.append((f"accuracy {subset}", _percent(a), _percent(b), change))
    return rows


def _latencies(changed: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    from sensorium_apps.tables import ms

    return [
        (f"ms {subset}", ms(a), ms(b), _ratio(a, b) if a and b else "")
        for subset, (a, b) in changed.items()
        if "+" not in subset
    ]


def _parts(told: dict[str, Any]) -> list[str]:
    lines = [f"+ part {name}" for name in told["parts_added"]]
    lines += [f"- part {name}" for name in told["parts_removed"]]
    for name, part in told["parts_changed"].items():
        lines += [f"+ graph {name}/{graph}" for graph in part.get("graphs_added", ())]
        lines += [f"- graph {name}/{graph}" for graph in part.get("graphs_removed", ())]
        lines += [f"~ graph {name}/{graph}: {_graph(changes)}" for graph, changes in part.get("graphs", {}).items()]
        lines += [f"~ file {name}/{file}" for file in part.get("files", {})]
        for key in ("config", "figures"):
            lines += [
                f"~ {key} {name}.{what}: {_short(a)} -> {_short(b)}" for what, (a, b) in part.get(key, {}).items()
            ]
    return lines


def _graph(changes: dict[str, Any]) -> str:
    told = [f"{key} {a} -> {b}" for key, (a, b) in changes.items() if key in ("backend", "precision")]
    if "size_bytes" in changes:
        a, b = changes["size_bytes"]
        told.append(f"{a / 1e6:.2f} -> {b / 1e6:.2f} MB")
    return ", ".join(told) or "other content"


def _rest(told: dict[str, Any]) -> list[str]:
    lines = [f"~ target {told['target'][0]} -> {told['target'][1]}"] if told["target"] else []
    lines += [f"+ licence {licence}" for licence in told["licences_added"]]
    lines += [f"- licence {licence}" for licence in told["licences_removed"]]
    return lines + [f"~ tool {tool}: {a} -> {b}" for tool, (a, b) in told["tools"].items()]


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _ratio(a: float, b: float) -> str:
    return f"{b / a:.2f}x" if a else ""


def _short(value: object) -> str:
    text = jsonlib.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
