"""``sensorium bench``: figures of this machine."""

import json as jsonlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file; - is standard output.")]
SOAK_TICK_MS = 200.0  # as a session's
SECONDS_PER_FAULT = 3.0  # in real time; a day of virtual time is given as many as are asked for

app = typer.Typer(help="Measure Sensorium on this machine. Example: sensorium bench startup", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """A group of commands."""


@app.command("startup")
def startup(
    json: JsonFile = None,
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes for each figure.")] = 7,
) -> None:
    """Time and memory of 'import sensorium', disk of the runtime, against the floor of Python and numpy.

    Example:

      sensorium bench startup --json startup.json
    """
    from sensorium_apps.benches.startup import startup

    _tell(startup(rounds), json, _plain_startup)


@app.command("soak")
def soak(
    json: JsonFile = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Run a session with all its threads for so long.")] = 60.0,
    virtual_hours: Annotated[
        float | None, typer.Option(min=0.01, help="Instead: so many hours of virtual time, as fast as they compute.")
    ] = None,
    faults: Annotated[int | None, typer.Option(min=0, help="How many; default: one every three seconds.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the faults; the same seed draws the same.")] = 0,
) -> None:
    """A chaos run: made-up senses fail at random, and what must hold whatever fails is checked all the time.

    Every tick is answered before the next; what comes in is done or dropped; presence in the output is the truth
    within the time that a fault needs to be noticed; nothing is leaked. Ends with 1 where something did not hold.

    Examples:

      sensorium bench soak --seconds 60

      sensorium bench soak --virtual-hours 24 --faults 1000 --json soak.json
    """
    from sensorium.clock import NS_PER_MS, NS_PER_S
    from sensorium.errors import SensoriumError
    from sensorium_apps.benches.soak.outcome import Plan
    from sensorium_apps.benches.soak.soak import soak

    length_s = seconds if virtual_hours is None else 3600 * virtual_hours
    count = round(length_s / SECONDS_PER_FAULT) if faults is None else faults
    tick_ns = int(SOAK_TICK_MS * NS_PER_MS)
    plan = Plan(int(length_s * NS_PER_S), count, seed, tick_ns, virtual=virtual_hours is not None)
    with _bar() as progress:
        told = soak(plan, progress)
    _tell(told, json, _plain_soak)
    if told["run"]["interrupted"]:
        raise KeyboardInterrupt
    if told["violations"]:
        raise SensoriumError(f"{len(told['violations'])} violations; --seed {seed} draws the same faults again")


def _tell(told: dict[str, Any], json: Path | None, plain: Callable[[dict[str, Any]], str]) -> None:
    """As text, and as JSON to the file; only as JSON where that is standard output."""
    text = jsonlib.dumps(told, indent=1) + "\n"
    if json is not None and str(json) == "-":
        typer.echo(text, nl=False)
        return
    if json is not None:
        json.write_text(text, encoding="utf-8")
    typer.echo(plain(told))


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("failing on purpose", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _plain_soak(told: dict[str, Any]) -> str:
    figures, floor, run = told["figures"], told["floor"], told["run"]
    ratio, slope, late = figures["answered_ratio"], figures["slope_mb_per_h"], floor["wait_late_p99_ms"]
    lines = [
        f"ran       {run['lasted_s']:.0f} s{', then interrupted,' if run['interrupted'] else ''}"
        f"{' of virtual time' if run['virtual'] else ''} in {run['took_s']:.0f} s, {figures['faults']} faults "
        f"({figures['faults_judged']} had to be told, alone and long enough), seed {run['seed']}",
        f"answered  {'no tick was due' if ratio is None else f'{ratio:.2%}'} of {figures['ticks']} ticks before the "
        f"next; p99 {figures['late_p99_ms']:.1f} ms late"
        + (f" (a thread that only waits: {late:.1f} ms)" if late is not None else ", the tick's own work"),
        f"judged    {figures['judged_ratio'] or 0:.0%} of them against the truth"
        + ("" if run["virtual"] else "; during the others the machine itself was late"),
        f"memory    {floor['rss_mb']:.1f} MB at first, {figures['rss_growth_mb']:+.2f} MB after the warm-up"
        + (f", {slope:+.3f} MB/h" if slope is not None else ""),
        f"leaked    {figures['threads_leaked']} threads, {figures['fds_leaked']} file descriptors",
        f"broken    {figures['violations']} invariants",
    ]
    lines += [
        f"  {v['at_s']:.1f} s  {v['invariant']}: {v['told']}" + (f" ({', '.join(v['faults'])})" if v["faults"] else "")
        for v in told["violations"]
    ]
    return "\n".join(lines)


def _plain_startup(told: dict[str, Any]) -> str:
    figures, floor, spread = told["figures"], told["floor"], told["spread"]
    low, high = spread["import_s"]
    return "\n".join(
        [
            f"import sensorium  {figures['import_s']:.3f} s ({low:.3f} to {high:.3f}; numpy alone "
            f"{floor['numpy_import_s']:.3f} s)",
            f"memory after it   {figures['rss_mb']:.1f} MB (Python {floor['python_rss_mb']:.1f}, with numpy "
            f"{floor['numpy_rss_mb']:.1f} MB)",
            f"with a session    {figures['session_import_s']:.3f} s, {figures['session_rss_mb']:.1f} MB",
            f"installed         {figures['install_mb']:.1f} MB with all that the runtime requires",
            f"torch imported    {'yes' if figures['torch_imported'] else 'no'}",
            f"{told['rounds']} rounds on {told['machine']['processor']}",
        ]
    )
