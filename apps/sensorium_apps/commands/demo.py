"""``sensorium demo``: half a minute in which the senses fail and return."""

import json as jsonlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from sensorium.events import Event
    from sensorium_apps.live import Live


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the timeline, the summary and the answers.")] = Path(
        "sensorium-demo"
    ),
    json: Annotated[Path | None, typer.Option(help="Write the JSON summary to this file, too.")] = None,
    bundle: options.Bundle = None,
    speaker: Annotated[str, typer.Option(help="default or a device's name to hear it, or none.")] = "none",
    threads: options.Threads = 1,
) -> None:
    """Real photos and spoken questions through a network camera and microphone that are cut and come back.

    Pulls the weights and compiles the companion bundle first where they are missing.

    Examples:

      sensorium demo

      sensorium demo --json out.json --speaker default
    """
    from sensorium_apps.demo.play import play

    outcome = play(_ready(bundle), out, speaker, threads, _tell)
    if json is not None:
        json.write_text(jsonlib.dumps(outcome.summary, indent=1) + "\n")
    summary = outcome.summary
    typer.echo(
        f"{summary['percepts']} of {summary['ticks']} ticks answered; "
        f"{summary['named_right']} of {len(summary['objects'])} photos named right; "
        f"word error rate {summary['word_error_rate']:.2f}"
    )
    typer.echo(f"timeline: {outcome.timeline}\nspoken answers: {outcome.replies}")


def _ready(bundle: Path | None) -> Path:
    """The bundle to show; the companion is made first where it is missing."""
    from sensorium_apps.commands.compile_ import compile_
    from sensorium_apps.commands.pull import pull
    from sensorium_apps.demo.play import PHOTOS
    from sensorium_apps.paths import COMPANION, default_bundle, find_bundle

    make = bundle is None and not default_bundle().exists()
    pull([COMPANION, PHOTOS] if make else [PHOTOS])
    if make:
        compile_(COMPANION)
    return find_bundle(bundle)


def _tell(live: "Live", events: "Iterator[Event | None]") -> None:
    from sensorium_apps.telling import tell_all, teller

    with teller(live, (), False) as told:
        tell_all(live, told, events)
