"""``sensorium explain``: which sense caused an answer."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from sensorium.events import Percept
    from sensorium_apps.explanation import Explanation


def explain(
    recording: Annotated[
        Path, typer.Argument(help="A file that sensorium run --record has written, or the lines of --json.")
    ],
    at: Annotated[float | None, typer.Option(min=0.0, help="Only the answer at so many seconds.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw what each sense added over time in this file, too.")] = None,
    json: options.Json = False,
) -> None:
    """Show for every new answer what each sense added, how it stood, and what the answer would be without it.

    Examples:

      sensorium explain talk.mcap

      sensorium explain talk.mcap --at 12.5 --png why.png
    """
    from sensorium.clock import NS_PER_S
    from sensorium.errors import RecordingError, SinkError
    from sensorium_apps.explain_view import draw, table
    from sensorium_apps.journal import recorded_percepts
    from sensorium_apps.tables import console

    percepts = list(recorded_percepts(recording))
    if not any(percept.candidates for percept in percepts):
        raise RecordingError(f"{recording}: none of its {len(percepts)} percepts has candidates; nothing to explain")
    start_ns, screen = percepts[0].at_ns, console()
    for percept, found in _told(percepts, at):
        at_s = (percept.at_ns - start_ns) / NS_PER_S
        if json:
            told = {"at_s": round(at_s, 3), "rung": percept.rung, "causes": found.causes, **asdict(found)}
            typer.echo(jsonlib.dumps(told, ensure_ascii=False))
        else:
            screen.print(table(found, f"{at_s:.1f} s, rung {percept.rung}"))
    if png is not None:
        try:
            draw(percepts, png)
        except OSError as err:
            raise SinkError(f"{png}: {err.strerror}") from err


def _told(percepts: "list[Percept]", at: float | None) -> "list[tuple[Percept, Explanation]]":
    """New answers; or the one that is nearest to a time; or, where nothing was sure, the surest."""
    from sensorium.clock import NS_PER_S
    from sensorium_apps.explanation import Changes, explain

    every = [(p, found) for p in percepts if (found := explain(p.candidates, p.senses)) is not None]
    if at is not None:
        wanted_ns = percepts[0].at_ns + at * NS_PER_S
        return [min(every, key=lambda told: abs(told[0].at_ns - wanted_ns))]
    changes = Changes()
    news = [(percept, found) for percept in percepts if (found := changes.take(percept)) is not None]
    return news or [max(every, key=lambda told: told[1].answer.probability)]
