"""``sensorium devices``: what there is to see, hear and speak with."""

import dataclasses
import json as jsonlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from sensorium_devices.listing import Devices


def devices(json: options.Json = False) -> None:
    """Show cameras, microphones and speakers, each with the word that opens it.

    Examples:

      sensorium devices

      sensorium devices --json
    """
    from sensorium_devices.listing import list_devices

    found = list_devices()
    if json:
        typer.echo(jsonlib.dumps(dataclasses.asdict(found)))
    else:
        for line in _plain(found):
            typer.echo(line)


def _plain(found: "Devices") -> Iterator[str]:
    yield from _section("cameras", "--camera", [(c.uri, c.name) for c in found.cameras])
    for title, option, entries in (
        ("microphones", "--mic", found.microphones),
        ("speakers", "--speaker", found.speakers),
    ):
        told = [(e.uri, f"{e.name}, {e.channels} channels, {e.rate_hz} Hz") for e in entries]
        yield from _section(title, option, told)
    for problem in found.problems:
        yield f"note: {problem}"


def _section(title: str, option: str, entries: list[tuple[str, str]]) -> Iterator[str]:
    yield f"{title}{'' if entries else ': none found'}"
    for uri, name in entries:
        yield f"  {option} {uri:<4} {name}"
