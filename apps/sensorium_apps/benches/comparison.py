"""Ours beside the peers, all measures in one run: ``scripts/compare-peers`` calls ``python -m`` this.

Writes the README's table between its marks and one picture; every figure in them is of this run.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorium.errors import SensoriumError
from sensorium_apps.benches import absent, overhead, overload, recovery, stall
from sensorium_apps.benches.beside import Figures, Progress, beside, summary
from sensorium_apps.benches.comparison_table import drawn, put, table
from sensorium_apps.benches.figures import percentile
from sensorium_apps.benches.machine import machine
from sensorium_apps.benches.peers import PEERS, START_S, PeerError, Times, environments, interpreter
from sensorium_apps.benches.sessions import LIMIT_S
from sensorium_apps.benches.startup import probe
from sensorium_devices.isolate import Isolate

WATCH_S = 11.0  # that a read which never returns is waited for: thirty times as long as ours takes
OUR_STALLS, OUR_RECOVERIES, THEIR_RECOVERIES = 20, 20, 5
OUR_IMPORT = "from sensorium.session import Session"  # all that a session needs before it opens a bundle


def compare(frames: int, seconds: float, rounds: int, progress: Progress) -> dict[str, Any]:
    """What each bench tells, by its name."""
    return {
        "overhead": overhead.overhead(frames, rounds, progress=progress),
        "overload": overload.overload(seconds, 1, progress=progress),
        "absent": absent.absent(5.0, 1, progress=progress),
        "stall": beside(
            lambda: Times(ms=stall.detect(OUR_STALLS)[0], watched_s=WATCH_S),
            times,
            Times,
            "stall",
            {"watch_s": WATCH_S},
            rounds=1,
            seconds=WATCH_S,
            progress=progress,
        ),
        "recovery": beside(
            lambda: Times(ms=recovery.recover(OUR_RECOVERIES, Isolate.NEVER), watched_s=LIMIT_S),
            times,
            Times,
            "recovery",
            {"cycles": THEIR_RECOVERIES},
            rounds=1,
            seconds=60.0 * THEIR_RECOVERIES,
            progress=progress,
        ),
        "startup": imports(rounds, progress),
        "machine": machine(),
    }


def times(told: Times) -> Figures:
    """The median of what happened, if it did."""
    return {"p50_ms": percentile(told.ms, 50, 1) if told.ms else None, "watched_s": told.watched_s}


def imports(rounds: int, progress: Progress) -> dict[str, Any]:
    """Seconds and memory of an import, in fresh processes in turn; one more of each at first warms the disk's cache."""
    own: list[Figures] = []
    theirs: dict[str, list[Figures]] = {name: [] for name in PEERS}
    errors: dict[str, str] = {}
    for done in range(rounds + 1):
        progress("imports", done, rounds + 1)
        for name in (None, *PEERS):
            if name in errors:
                continue
            try:
                told = _import(name)
            except (SensoriumError, PeerError) as err:
                if name is None:
                    raise
                errors[name] = str(err)
                continue
            if done:
                (own if name is None else theirs[name]).append(told)
    return {
        **summary(own),
        "peers": {name: {"error": errors[name]} if name in errors else summary(theirs[name]) for name in PEERS},
        "rounds": rounds,
    }


def _import(name: str | None) -> Figures:
    if name is None:
        told = probe(OUR_IMPORT)
    else:
        told = probe(PEERS[name].imports, str(interpreter(name, environments())), START_S)
    return {"import_s": round(told["s"], 3), "rss_mb": round(told["mb"], 1)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="scripts/compare-peers")
    parser.add_argument("--readme", type=Path, required=True, help="a page with the marks of the table")
    parser.add_argument("--picture", type=Path, required=True, help="a PNG to write")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument("--frames", type=int, default=1000, help="through five stages, in each round")
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload")
    parser.add_argument("--rounds", type=int, default=5, help="of five stages and of imports")
    asked = parser.parse_args(arguments)
    page = asked.readme.read_text(encoding="utf-8")
    put(page, "")  # a page without marks is told before the work, not after
    told = compare(asked.frames, asked.seconds, asked.rounds, _say)
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    drawn(told, asked.picture)
    link = os.path.relpath(asked.picture, asked.readme.parent)
    made = f"{table(told)}\n\n![Ours and the peers, a panel for each figure]({link})"
    asked.readme.write_text(put(page, made), encoding="utf-8")
    sys.stdout.write(table(told) + "\n")


def _say(what: str, done: int, total: int) -> None:
    """Twenty minutes into a log are to be followed, too."""
    if done < total:
        sys.stderr.write(f"{what} ({done + 1} of {total})\n")


if __name__ == "__main__":
    main()
