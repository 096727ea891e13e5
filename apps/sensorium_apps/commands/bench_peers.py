"""``sensorium bench overhead``, ``overload`` and ``absent``: beside the same of peers, where these are installed."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sensorium_apps.commands.bench import Json, app, tell
from sensorium_apps.progress import progress_bar

Peers: TypeAlias = Annotated[
    str,
    typer.Option(help="Which to run beside ours: all, none, or names separated by commas."),
]
Rounds: TypeAlias = Annotated[int, typer.Option(min=1, help="Of ours and every peer in turn.")]

__all__ = ["app"]


@app.command("overhead")
def overhead(
    json: Json = None,
    frames: Annotated[int, typer.Option(min=10, help="In each round.")] = 1000,
    rounds: Rounds = 5,
    peers: Peers = "all",
) -> None:
    """What five stages add to a 640x480 frame, without a model and without a copy.

    Example:

      sensorium bench overhead --peers mediapipe,pipecat --json overhead.json
    """
    from sensorium_apps.benches.overhead import overhead, overhead_lines

    with progress_bar("five stages") as progress:
        told = overhead(frames, rounds, _names(peers), progress)
    _tell(told, json, overhead_lines)


@app.command("overload")
def overload(
    json: Json = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="In each round.")] = 60.0,
    rounds: Rounds = 1,
    peers: Peers = "all",
) -> None:
    """How old frames get where 30 a second come to a stage that takes 100 ms, and what becomes of all of them.

    Example:

      sensorium bench overload --seconds 10 --peers none
    """
    from sensorium_apps.benches.overload import overload, overload_lines

    with progress_bar("overload") as progress:
        told = overload(seconds, rounds, _names(peers), progress)
    _tell(told, json, overload_lines)


@app.command("absent")
def absent(
    json: Json = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="That each sense is away.")] = 5.0,
    rounds: Rounds = 1,
    peers: Peers = "all",
) -> None:
    """Whether every tick is answered in time and truly while each sense is absent, and when it returns.

    Example:

      sensorium bench absent --json absent.json
    """
    from sensorium_apps.benches.absent import absent, absent_lines

    with progress_bar("absent") as progress:
        told = absent(seconds, rounds, _names(peers), progress)
    _tell(told, json, absent_lines)


def _names(peers: str) -> tuple[str, ...]:
    """The peers to run; of all, those whose environment is there."""
    from sensorium_apps.benches.peers import PEERS, PeerError, environments, interpreter

    if peers == "none":
        return ()
    if peers != "all":
        names = tuple(dict.fromkeys(part.strip() for part in peers.split(",")))
        unknown = [name for name in names if name not in PEERS]
        if unknown:
            raise typer.BadParameter(f"no peer {unknown[0]!r}; known: all, none, {', '.join(PEERS)}")
        return names
    there = []
    for name in PEERS:
        try:
            interpreter(name, environments())
        except PeerError:
            continue
        there.append(name)
    return tuple(there)


def _tell(told: dict[str, Any], json: Path | None, lines: Callable[[dict[str, Any]], list[str]]) -> None:
    from sensorium_apps.benches.peers import HOW

    tell(told, json, [*lines(told), *([] if told["peers"] else [f"without peers: {HOW}"])])
