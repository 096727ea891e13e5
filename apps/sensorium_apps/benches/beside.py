"""Ours and the peers in turn, round by round, so that a busy machine slows all alike: medians and spread of each."""

import statistics
from collections.abc import Callable
from typing import Any, TypeAlias

from sensorium_apps.benches.floor import floor
from sensorium_apps.benches.machine import machine
from sensorium_apps.benches.peers import PEERS, Options, PeerError, R, run_peer

OURS = "Sensorium"

Figures: TypeAlias = dict[str, float | None]  # None: it does not tell
Progress: TypeAlias = Callable[[str, int, int], None]  # what, done and total


def beside(
    ours: Callable[[], R],
    figures: Callable[[R], Figures],
    kind: type[R],
    probe: str,
    options: Options,
    *,
    rounds: int,
    seconds: float = 0.0,
    names: tuple[str, ...] | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Figures, spread, floor, machine, and the same of each peer that has this probe, or why it has none.

    ``seconds``: about how long a peer measures. ``names``: the peers to run; None: all that have this probe.
    """
    measured_on_floor = floor()
    asked = [name for name in PEERS if probe in PEERS[name].probes and (names is None or name in names)]
    own: list[Figures] = []
    theirs: dict[str, list[Figures]] = {name: [] for name in asked}
    versions: dict[str, str] = {}
    errors: dict[str, str] = {}
    total = rounds * (1 + len(asked))
    for done in range(rounds):
        progress(f"{probe}: {OURS}", done * (1 + len(asked)), total)
        own.append(figures(ours()))
        for i, name in enumerate(asked):
            progress(f"{probe}: {PEERS[name].title}", done * (1 + len(asked)) + i + 1, total)
            if name in errors:
                continue
            try:
                result, versions[name] = run_peer(name, probe, options, kind, seconds)
                theirs[name].append(figures(result))
            except PeerError as err:
                errors[name] = str(err)
    progress(probe, total, total)
    return {
        **summary(own),
        "floor": measured_on_floor,
        "peers": {
            name: {"error": errors[name]} if name in errors else {"version": versions[name], **summary(theirs[name])}
            for name in asked
        },
        "rounds": rounds,
        "machine": machine(),
    }


def summary(rounds: list[Figures]) -> dict[str, dict[str, Any]]:
    """The median of every figure over the rounds, and its least and most."""
    figures: Figures = {}
    spread: dict[str, list[float]] = {}
    for name in rounds[0]:
        values = [value for one in rounds if (value := one[name]) is not None]
        figures[name] = round(statistics.median(values), 3) if values else None
        spread[name] = [round(min(values), 3), round(max(values), 3)] if values else []
    return {"figures": figures, "spread": spread}


def lines(told: dict[str, Any], row: Callable[[dict[str, Any]], str]) -> list[str]:
    """A line for ours and one for each peer; how to get the peers where none is there."""
    width = max(len(peer.title) for peer in PEERS.values()) + 8
    made = [f"{OURS:{width}} {row(told)}"]
    for name, one in told["peers"].items():
        title = f"{PEERS[name].title} {one.get('version', '')}".strip()
        made.append(f"{title:{width}} {one['error'] if 'error' in one else row(one)}")
    return made
