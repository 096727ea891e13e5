"""A 64-bit Arm processor, emulated by qemu-user: it tells whether a graph comes out right there, never how fast.

``scripts/aarch64/install`` lays out what is executed: Debian's aarch64 Python with the runtime's wheels.
"""

import shutil
import subprocess
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path

from sensorium.backends import Graph
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import entry_of
from sensorium_compile.stages import cache_folder
from sensorium_compile.targets import environment, programs
from sensorium_compile.targets.emulated import EmulatedGraph
from sensorium_devices.targets import Target

FAMILY = "arm"  # of the targets that it emulates
BACKENDS = ("litert", "onnxruntime", "openvino")  # ExecuTorch's Python needs PyTorch, whose aarch64 wheel needs CUDA
PROGRAM, READY = "qemu-aarch64", "ready"
PROCESSOR = "cortex-a76"  # a Raspberry Pi 5's


def folder() -> Path:
    """Where the aarch64 Python is, or would be."""
    return cache_folder() / "tools" / "aarch64"


def missing(backend: str = BACKENDS[0]) -> str | None:
    """What emulation lacks for graphs of that backend, or None."""
    if backend not in BACKENDS:
        return f"{backend} is not emulated as aarch64; {', '.join(BACKENDS)} are"
    if shutil.which(PROGRAM) is None or not (folder() / READY).is_file():
        return "scripts/aarch64/install"
    return None


def emulator(target: Target) -> str:
    """What emulates the target's processor here, with its version; empty where nothing does, or it is not needed."""
    if target.family != FAMILY or target.is_here or missing() is not None:
        return ""
    return f"{PROGRAM} {version()} -cpu {PROCESSOR}"


def opened(name: str, draft: GraphDraft) -> Graph:
    """The graph as the aarch64 backend executes it; raises CompileError where emulation is not here."""
    if (how := missing(draft.backend)) is not None:
        raise CompileError(f"graph {name} cannot be emulated as aarch64: {how}")
    entry = entry_of(name, draft)
    python, program = folder() / "root/usr/bin/python", Path(programs.__file__).parent / "program.py"
    with tempfile.TemporaryDirectory() as scratch:
        model, told = Path(scratch) / entry.file, Path(scratch) / "entry.json"
        model.write_bytes(draft.model)
        told.write_text(entry.model_dump_json(), encoding="utf-8")
        command: list[str | Path] = [python, program, "graph", model, told]
        return EmulatedGraph(name, command, environment.with_runtime(), entry.inputs, entry.outputs)


def installed(package: str) -> str:
    """The version of a package there."""
    found = metadata.distributions(name=package, path=[str(folder() / "root/usr/lib/python3/dist-packages")])
    return next(iter(found)).version


@cache
def version() -> str:
    """As the emulator tells it: ``7.2.22``."""
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout
    return told.split()[2]
