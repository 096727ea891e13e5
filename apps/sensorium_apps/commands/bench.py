"""``sensorium bench``: figures of this machine."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Measure Sensorium on this machine. Example: sensorium bench startup", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Keep ``bench`` a group of commands, even while it has only one."""


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

    told = startup(rounds)
    if json is not None:
        text = jsonlib.dumps(told, indent=1) + "\n"
        if str(json) == "-":
            typer.echo(text, nl=False)
            return
        json.write_text(text, encoding="utf-8")
    typer.echo(_plain(told))


def _plain(told: dict[str, Any]) -> str:
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
