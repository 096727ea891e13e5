"""What peers are given: the student's float graphs as ONNX, and feeds of the training side to calibrate with.

FOLDER/GRAPH.onnx   the very graph that ours is quantized from
FOLDER/GRAPH.npz    input name -> (feeds, 1, ...), the same feeds that ours is calibrated with
"""

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Feeds
from sensorium_compile.lower.candidates import FLOAT, Lowering
from sensorium_compile.material import Material, calibration_feeds
from sensorium_compile.peers.forms import TOLD

GRAPHS = "graphs"
BACKEND = "onnxruntime"  # of all peers here; NNCF's graphs are OpenVINO's as well


def feeds_of(material: Material) -> dict[str, list[Feeds]]:
    """What everyone calibrates with, ours too: not with ranges that a checkpoint brings, which are of other feeds.

    Raises CompileError where no data were given.
    """
    if material.data is None:
        raise CompileError("quantizers calibrate on data: give --data DIR, the folder of the recipe's data")
    return calibration_feeds(material.recipe, material.student, material.data)


def export(lowering: Lowering, feeds: Mapping[str, Sequence[Feeds]], folder: Path) -> None:
    """Write every graph and its feeds."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in lowering.graphs:
        (folder / f"{name}.onnx").write_bytes(lowering.graph(BACKEND, name, FLOAT).model)
        np.savez(folder / f"{name}.npz", allow_pickle=False, **stacked(feeds[name]))


def stacked(feeds: Sequence[Feeds]) -> Mapping[str, np.ndarray]:
    """Feeds of one graph as arrays (feeds, 1, ...) by input."""
    return {key: np.stack([one[key] for one in feeds]) for key in feeds[0]}


def run_peer(peer: str, environments: Path, scripts: Path, out: Path) -> None:
    """Let a peer quantize what was exported into ``out``/PEER; what it says is in log.txt there.

    A peer that is missing or fails is no error: its rows say so. What it made of the same graphs before is kept.
    """
    folder, script, python = out / peer, scripts / f"peer_{peer}.py", environments / peer / "bin" / "python"
    given = _digest([script, *sorted((out / GRAPHS).iterdir())])
    mark = folder / "given.sha256"
    if (folder / TOLD).is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == given:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TOLD).unlink(missing_ok=True)
    mark.write_text(given, encoding="utf-8")
    with (folder / "log.txt").open("wb") as log:
        if not python.is_file():
            log.write(f"no {python}: it could not be installed\n".encode())
            return
        bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [python, script, out / GRAPHS, folder]
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=bare, check=False)


def _digest(files: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()
