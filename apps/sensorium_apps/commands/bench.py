"""``sensorium bench``: figures of this machine."""

import json as jsonlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sensorium_apps import options

app = typer.Typer(help="Measure Sensorium on this machine. Example: sensorium bench startup", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Keep ``bench`` a group of commands."""


@app.command("startup")
def startup(
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file; - is standard output.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes for each figure.")] = 7,
) -> None:
    """Time and memory of 'import sensorium', disk of the runtime, against the floor of Python and numpy.

    Example:

      sensorium bench startup --json startup.json
    """
    from sensorium_apps.benches.startup import startup

    _tell(startup(rounds), json, _startup_lines)


@app.command("ladder")
def ladder(
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file; - is standard output.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Under each load, after 10 seconds to settle.")] = 30.0,
) -> None:
    """Whether the deadline is kept under a CPU hog and at 90 °C by going down the ladder, and when it is up again.

    Takes all the processor there is, for some minutes.

    Example:

      sensorium bench ladder --json ladder.json
    """
    from sensorium_apps.benches.ladder import ladder
    from sensorium_apps.failures import note

    _tell(ladder(seconds, note), json, _ladder_lines)


@app.command("fallback")
def fallback(
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file; - is standard output.")] = None,
    bundle: options.Bundle = None,
    rounds: Annotated[int, typer.Option(min=10, help="Runs of each graph, bare and replaceable in turn.")] = 200,
) -> None:
    """What it costs that a graph can be replaced while it runs: every graph of a bundle, bare and replaceable.

    Example:

      sensorium bench fallback --bundle keypad.bundle
    """
    from sensorium_apps.benches.fallback import fallback
    from sensorium_apps.paths import find_bundle

    _tell(fallback(find_bundle(bundle), rounds), json, _fallback_lines)


def _tell(told: dict[str, Any], json: Path | None, lines: Callable[[dict[str, Any]], list[str]]) -> None:
    if json is not None:
        text = jsonlib.dumps(told, indent=1, ensure_ascii=False) + "\n"
        if str(json) == "-":
            typer.echo(text, nl=False)
            return
        json.write_text(text, encoding="utf-8")
    typer.echo("\n".join([*lines(told), f"on {told['machine']['processor']}, {told['machine']['cores']} cores"]))


def _ladder_lines(told: dict[str, Any]) -> list[str]:
    figures = told["figures"]
    lines = [f"  {change}" for change in told["changes"]]
    for what in ("hog", "heat"):
        one = figures[what]
        back = "not back at the top" if one["back_s"] is None else f"back at the top after {one['back_s']:.0f} s"
        lines.append(
            f"{what:5} ticks {one['before_p95_ms']:.0f} -> {one['under_p95_ms']:.0f} ms late (p95), senses "
            f"{one['before_behind_p95_ms']:.0f} -> {one['at_first_behind_p95_ms']:.0f} -> "
            f"{one['under_behind_p95_ms']:.0f} ms behind; deadline {'kept' if one['kept'] else 'missed'}, "
            f"deepest {one['deepest']}, {back}, changes {one['apart_s']:.1f} s apart or more"
        )
    return [*lines, f"a thread that only sleeps is {told['floor']['sleeping_thread_p95_ms']:.0f} ms late in that load"]


def _fallback_lines(told: dict[str, Any]) -> list[str]:
    return [
        f"{name:28} bare {one['bare_ms']:8.3f} ms, replaceable {one['replaceable_ms']:8.3f} ms, "
        f"ratio {one['ratio']:.3f} ({one['spread'][0]:.3f} to {one['spread'][1]:.3f})"
        for name, one in told["figures"].items()
    ]


def _startup_lines(told: dict[str, Any]) -> list[str]:
    figures, floor, spread = told["figures"], told["floor"], told["spread"]
    low, high = spread["import_s"]
    return [
        f"import sensorium  {figures['import_s']:.3f} s ({low:.3f} to {high:.3f}; numpy alone "
        f"{floor['numpy_import_s']:.3f} s)",
        f"memory after it   {figures['rss_mb']:.1f} MB (Python {floor['python_rss_mb']:.1f}, with numpy "
        f"{floor['numpy_rss_mb']:.1f} MB)",
        f"with a session    {figures['session_import_s']:.3f} s, {figures['session_rss_mb']:.1f} MB",
        f"installed         {figures['install_mb']:.1f} MB with all that the runtime requires",
        f"torch imported    {'yes' if figures['torch_imported'] else 'no'}",
        f"{told['rounds']} rounds",
    ]
