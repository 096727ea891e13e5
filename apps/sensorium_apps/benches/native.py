"""What it takes to run a bundle without Python: one recording through the native runner and through Python, in turn.

Each is a fresh process. It has started when its first event is there; its memory is the most that it had resident. The
first round only warms the disk cache.
"""

import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sensorium.errors import SensoriumError
from sensorium_apps.benches.figures import spread
from sensorium_apps.benches.machine import machine
from sensorium_apps.journal import RecordedSession

DONE = "done"
LIMIT_S = 600.0  # for one process, which waits for ever where it tells fewer events than the other

# Python, without the command line: replays a recording. The native runner has no answers, so replies are not told.
_PYTHON = """
import sys
from pathlib import Path
from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.events import Reply, to_json
from sensorium.replay import replay
from sensorium_apps.journal import RecordedSession
with Bundle(sys.argv[1]) as bundle, RecordedSession(Path(sys.argv[2])) as recorded:
    parts = assemble(bundle, look_for=recorded.settings.look_for, threads=1)
    for event in replay(recorded.settings, recorded.steps(), parts):
        if not isinstance(event, Reply):
            print(to_json(event), flush=True)
print("done", flush=True)
sys.stdin.read()
"""


def native(runner: Path, bundle: Path, recording: Path, rounds: int, against: Path | None = None) -> dict[str, Any]:
    """Figures, spread and machine, from ``rounds`` rounds after one to warm up.

    ``against``: another bundle for Python, e.g. of a backend that is lighter there. Raises SensoriumError where either
    fails.
    """
    with RecordedSession(recording) as recorded:
        messages = b"".join(recorded.messages())
    commands: dict[str, tuple[Sequence[str | Path], bytes]] = {
        "python": ([sys.executable, "-c", _PYTHON, against or bundle, recording], b""),
        "native": ([runner, bundle], messages),
    }
    runs: dict[str, list[_Run]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        events = len(runs["python"][0].lines) if runs["python"] else None
        for name, (command, given) in commands.items():
            runs[name].append(_run(command, given, events))
            events = len(runs["python"][0].lines)
    told = {
        f"{name}_{what}": [float(getattr(run, what)) for run in own[1:]]
        for name, own in runs.items()
        for what in ("start_s", "rss_mb")
    }
    figures = {name: round(statistics.median(values), 4) for name, values in told.items()}
    ratios = {f"{w}_ratio": round(figures[f"native_{w}"] / figures[f"python_{w}"], 4) for w in ("start_s", "rss_mb")}
    first = runs["python"][0].lines
    return {
        "figures": {**figures, **ratios, "events": len(first), "same": runs["native"][0].lines == first},
        "spread": {name: spread(values, 4) for name, values in told.items()},
        "rounds": rounds,
        "machine": machine(),
    }


@dataclass(frozen=True, slots=True)
class _Run:
    """What one process told, when it began to, and the most memory that it had."""

    lines: list[str]
    start_s: float
    rss_mb: float


def _run(command: Sequence[str | Path], given: bytes, events: int | None) -> _Run:
    """Run it until it has told so many events (None: until it says that it is done), and look at it while it waits."""
    began = time.perf_counter()
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        feeder = threading.Thread(target=_feed, args=(process.stdin, given))
        feeder.start()
        limit = threading.Timer(LIMIT_S, process.kill)
        limit.start()
        lines: list[str] = []
        start_s = 0.0
        while events is None or len(lines) < events:
            line = process.stdout.readline().decode().rstrip("\n")
            if not lines:
                start_s = time.perf_counter() - began
            if line in ("", DONE):
                break
            lines.append(line)
        peak_mb = _peak_mb(process.pid)
        feeder.join()
        process.stdin.close()
        rest, complaint = process.stdout.read().decode(), process.stderr.read().decode()
        limit.cancel()
    if process.returncode != 0:
        told = f"it told {len(lines)} events" + (f", Python {events}" if events is not None else "")
        raise SensoriumError(f"{command[0]} failed: {(complaint.splitlines() or ['it said nothing'])[-1]}; {told}")
    return _Run(lines + [line for line in rest.splitlines() if line != DONE], start_s, peak_mb)


def _feed(stream: IO[bytes], given: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # it has failed, and says why
        stream.write(given)
        stream.flush()


def _peak_mb(process_id: int) -> float:
    """The most that the process had resident [10^6 bytes]; 0 where the system does not tell, or it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0
