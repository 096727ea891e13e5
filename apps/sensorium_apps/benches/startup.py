"""How long the runtime takes to import and what memory it then has, against the floor of Python and numpy.

Every figure comes from fresh processes, interleaved round by round, so that a busy machine slows all alike.
The first round only warms the disk cache and the bytecode.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

from sensorium.errors import SensoriumError
from sensorium_apps.benches.installed import install_mb
from sensorium_apps.benches.machine import machine

PROBES = {
    "python": "pass",
    "numpy": "import numpy",
    "sensorium": "import sensorium",
    "session": "from sensorium.session import Session",  # all that a session needs before it opens a bundle
}
PROBE_LIMIT_S = 60.0  # an import that takes longer hangs

# What each process runs: one JSON line with seconds, resident megabytes, and whether torch came along.
_CODE = """
import sys, time
start = time.perf_counter()
{statement}
took = time.perf_counter() - start
import json, resource
try:
    pages = int(open("/proc/self/statm").read().split()[1])
    rss = pages * resource.getpagesize()
except OSError:  # no /proc: the peak, which macOS tells in bytes
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"s": took, "mb": rss / 1e6, "torch": "torch" in sys.modules}}))
"""


def startup(rounds: int, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Figures, floor, spread and machine, from ``rounds`` rounds after one to warm up."""
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in PROBES}
    for done in range(rounds + 1):
        for name, statement in PROBES.items():
            result = probe(statement)
            if done:
                told[name].append(result)
        progress(done)
    installed = install_mb()
    ours, session, python, numpy = (told[name] for name in ("sensorium", "session", "python", "numpy"))
    return {
        "figures": {
            "import_s": _median(ours, "s"),
            "rss_mb": _median(ours, "mb"),
            "session_import_s": _median(session, "s"),
            "session_rss_mb": _median(session, "mb"),
            "install_mb": round(sum(installed.values()), 1),
            "torch_imported": any(result["torch"] for result in [*ours, *session]),
        },
        "spread": {"import_s": _spread(ours, "s"), "rss_mb": _spread(ours, "mb")},
        "floor": {
            "python_rss_mb": _median(python, "mb"),
            "numpy_import_s": _median(numpy, "s"),
            "numpy_rss_mb": _median(numpy, "mb"),
        },
        "installed_mb": {name: round(size, 2) for name, size in sorted(installed.items(), key=lambda x: -x[1])},
        "rounds": rounds,
        "machine": machine(),
    }


def probe(statement: str, python: str = sys.executable, limit_s: float = PROBE_LIMIT_S) -> dict[str, Any]:
    """Run one statement in a fresh Python; raises SensoriumError where it fails."""
    command = [python, "-c", _CODE.format(statement=statement)]
    try:
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=limit_s, check=True)
    except subprocess.CalledProcessError as err:
        last = (err.stderr.strip().splitlines() or [f"exit code {err.returncode}"])[-1]
        raise SensoriumError(f"{statement!r} fails in a fresh Python: {last}") from err
    except subprocess.TimeoutExpired as err:
        raise SensoriumError(f"{statement!r} did not end within {limit_s:g} s") from err
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _environment() -> dict[str, str]:
    """This process's environment, with our package on the path: a checkout needs no install."""
    spec = util.find_spec("sensorium")
    here = str(Path(next(iter((spec and spec.submodule_search_locations) or [""]))).parent)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")])),
    }


def _median(results: list[dict[str, Any]], key: str) -> float:
    return round(float(statistics.median(result[key] for result in results)), 4)


def _spread(results: list[dict[str, Any]], key: str) -> list[float]:
    values = [result[key] for result in results]
    return [round(min(values), 4), round(max(values), 4)]
