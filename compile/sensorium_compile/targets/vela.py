"""Arm's Vela: runs it on a .tflite and reads what it says. Its cycles and times are estimates, never measurements."""

import csv
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sensorium_compile.errors import CompileError
from sensorium_compile.targets import environment

NAME, PACKAGE, PROGRAM = "ethos", "ethos-u-vela", "vela"
CONFIG = "Arm/vela.ini"  # the systems that Arm describes, in the package
KIB, MS = 1024, 1e3
_PLACED = re.compile(r"^(CPU|NPU) operators = (\d+)", re.MULTILINE)
_LEFT = r"^Warning \(supported operators\) operator: (\S+), ofm: '([^']*)'\s*\nReason: (.+)$"
_WARNING = re.compile(_LEFT, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Left:
    """An operator that Vela leaves to the processor."""

    operator: str
    tensor: str  # its output
    why: str


@dataclass(frozen=True, slots=True)
class VelaOutput:
    """What Vela made and told."""

    content: bytes  # the .tflite whose operators are one for the NPU
    npu: int  # operators, as Vela counts them after its own rewriting
    cpu: int
    left: tuple[Left, ...]
    figures: Mapping[str, float]  # estimates: ms, cycles, bytes


def read_placed(text: str) -> tuple[int, int, tuple[Left, ...]]:
    """Operators on the NPU and on the processor, and what was left to it, out of Vela's report.

    Raises CompileError where it is no such report.
    """
    counts = dict(_PLACED.findall(text))
    if set(counts) != {"CPU", "NPU"}:
        raise CompileError("Vela's report tells no operators of CPU and NPU; another version than its profile's?")
    left = tuple(Left(*found) for found in _WARNING.findall(text))
    return int(counts["NPU"]), int(counts["CPU"]), left


def read_figures(row: Mapping[str, str]) -> dict[str, float]:
    """What is told of a graph, out of a row of Vela's summary: [ms], [cycles], [bytes]; all of it estimated."""
    try:
        return {
            "estimated_ms": float(row["inference_time"]) * MS,
            "estimated_cycles": float(row["cycles_total"]),
            "sram_bytes": float(row["sram_memory_used"]) * KIB,
            "dram_bytes": float(row["dram_memory_used"]) * KIB,
            "flash_bytes": float(row["off_chip_flash_memory_used"]) * KIB,
            "weights_bytes": float(row["total_npu_encoded_weights"]),
            "macs": float(row["nn_macs"]),
        }
    except (KeyError, ValueError) as err:
        raise CompileError(f"Vela's summary cannot be read: {err}; another version than its profile's?") from err


@cache
def compiled(content: bytes, options: tuple[tuple[str, str], ...]) -> VelaOutput:
    """Compile; ``options`` are Vela's own, without their dashes. Raises CompileError with Vela's last words."""
    with tempfile.TemporaryDirectory() as scratch:
        given, out = Path(scratch) / "model.tflite", Path(scratch) / "out"
        given.write_bytes(content)
        asked = [word for name, value in options for word in (f"--{name}", value)]
        done = subprocess.run(
            [environment.program(NAME, PROGRAM), given, "--config", CONFIG, *asked, "--output-dir", out],
            env=environment.bare(),
            capture_output=True,
            text=True,
            check=False,
        )
        made = out / "model_vela.tflite"
        if done.returncode or not made.is_file():
            lines = (done.stderr + done.stdout).strip().splitlines()
            raise CompileError(f"Vela does not compile it: {lines[-1] if lines else 'it says nothing'}")
        npu, cpu, left = read_placed(done.stdout)
        (summary,) = out.glob("model_summary_*.csv")
        with summary.open(encoding="utf-8", newline="") as stream:
            row = next(csv.DictReader(stream))
        return VelaOutput(made.read_bytes(), npu, cpu, left, read_figures(row))
