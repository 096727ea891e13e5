"""``sensorium targets``: the chips that a model can be compiled for, and how far that gets here."""

import json as jsonlib
from typing import Annotated

import typer

from sensorium_apps import options


def targets(
    target: Annotated[str, typer.Argument(help="One target, told in full; none: the table of all.")] = "",
    json: options.Json = False,
) -> None:
    """Tell which chips there are profiles of, which tool compiles for each, and what is missing here.

    The status is exported, linted, compiled, emulated or measured, in this order; nothing is claimed that was not done.
    What becomes of a model on all of them: sensorium compile keypad --target all.

    Examples:

      sensorium targets

      sensorium targets jetson-orin-nano
    """
    from sensorium_apps.tables import console, table
    from sensorium_compile.targets import reached
    from sensorium_devices.targets import Target, target_names

    chosen = [Target.parse(name) for name in ([target] if target else target_names())]
    told = [(one, *reached(one)) for one in chosen]
    if json:
        rows = [{**one.model_dump(mode="json"), "status_here": status, "missing": why} for one, status, why in told]
        typer.echo(jsonlib.dumps(rows[0] if target else rows))
        return
    if target:
        for key, value in chosen[0].model_dump(mode="json", exclude_none=True).items():
            typer.echo(f"{key}: {jsonlib.dumps(value, ensure_ascii=False)}")
        typer.echo(f"status that can be reached here: {told[0][1]}{_because(told[0][2])}")
        return
    made = table("target", "chip", "tool", "precisions", "status here", "missing for more")
    for one, status, missing in told:
        made.add_row(
            str(one), one.title, f"{one.tool.name} {one.tool.version}", ", ".join(one.precisions), status, missing or ""
        )
    console().print(made)


def _because(missing: str | None) -> str:
    return f"; for more: {missing}" if missing else ""
