"""What every peer's script does: quantize each graph at each setting, and write down what came of it.

OUT/SETTING/GRAPH.onnx (or .xml)   the quantized graph
OUT/told.json                      versions, and for each setting the call, the seconds, or why it failed
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Quantize = Callable[[Path, list[dict[str, Any]], Path], None]  # float graph, feeds, where the quantized one goes


@dataclass(frozen=True)
class Setting:
    """One way to call a quantizer."""

    name: str
    call: str  # as its documentation has it
    quantize: Quantize
    backends: tuple[str, ...] = ("onnxruntime",)  # what runs its graphs
    suffix: str = ".onnx"


def main(tools: tuple[str, ...], settings: list[Setting]) -> None:
    """SCRIPT GRAPHS OUT: all graphs of the folder GRAPHS at all settings."""
    graphs, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    versions = {name: version(name) for name in tools}
    told: dict[str, Any] = {}
    for setting in settings:
        rows = {path.stem: _one(setting, path, out) for path in sorted(graphs.glob("*.onnx"))}
        told[setting.name] = {
            "call": setting.call,
            "backends": setting.backends,
            "suffix": setting.suffix,
            "graphs": rows,
        }
    (out / "told.json").write_text(json.dumps({"tools": versions, "settings": told}, indent=1) + "\n")


def _one(setting: Setting, path: Path, out: Path) -> dict[str, Any]:
    target = out / setting.name / f"{path.stem}{setting.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    began = time.monotonic()
    try:
        setting.quantize(path, list(feeds_of(path)), target)
        error = None if target.is_file() else "it wrote no graph"
    except Exception as err:  # whatever it raises is its result
        traceback.print_exc()
        error = f"{type(err).__name__}: {(str(err).strip().splitlines() or [''])[0]}"[:300]
    seconds = round(time.monotonic() - began, 1)
    print(f"{setting.name} {path.stem}: {error or 'done'} in {seconds} s", flush=True)
    return {"seconds": seconds, "error": error}


def feeds_of(path: Path) -> Iterator[dict[str, Any]]:
    """The calibration feeds beside a graph, one at a time."""
    with np.load(path.with_suffix(".npz")) as stored:
        arrays = dict(stored)
    for row in range(len(next(iter(arrays.values())))):
        yield {name: array[row] for name, array in arrays.items()}
