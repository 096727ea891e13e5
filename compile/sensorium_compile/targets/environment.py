"""Vendors' tools, each in an environment of its own, for their pins contradict ours: called as subprocesses.

``scripts/npu-tools`` makes them.
"""

import argparse
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from sensorium.errors import unknown
from sensorium_compile.errors import CompileError
from sensorium_compile.stages import cache_folder
from sensorium_compile.targets import programs

READY = "ready"
# What the QNN provider is a plug-in of, and what the runtime's backend, which drives it, imports.
HEXAGON = ("onnxruntime==1.32.0", "numpy>=2.1,<3", "pydantic>=2.11,<3")
REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    "hexagon": ("onnxruntime-qnn==2.7.0", *HEXAGON),
    "ethos": ("ethos-u-vela==5.2.0", "tosa-tools==2026.8.0", "tosa-converter-for-tflite==2026.2.0"),
}


def folder(name: str) -> Path:
    """Where the environment of that name is, or would be."""
    if name not in REQUIREMENTS:
        raise CompileError(unknown("tool environment", name, REQUIREMENTS))
    return cache_folder() / "tools" / f"{name}-{REQUIREMENTS[name][0].replace('==', '-')}"


def missing(name: str) -> str | None:
    """What makes the environment, where it is not there."""
    return None if (folder(name) / READY).is_file() else f"scripts/npu-tools {name}"


def program(name: str, command: str) -> Path:
    """A program of an environment; raises CompileError, saying how it is made, where it is not there."""
    if (how := missing(name)) is not None:
        raise CompileError(f"the tools for {name} are not here; {how} installs {REQUIREMENTS[name][0]}")
    return folder(name) / "bin" / command


def python(name: str) -> list[Path]:
    """What runs ``programs/program.py`` in an environment."""
    return [program(name, "python"), Path(programs.__file__).parent / "program.py"]


def emulator(name: str, word: str) -> tuple[list[Path | str], tuple[str, ...]]:
    """The command of one of ``programs/program.py``'s emulators, and what its answers depend on."""
    return [*python(name), word], (name, word, *REQUIREMENTS[name])


def installed(name: str, package: str) -> str:
    """The version of a package in an environment."""
    found = metadata.distributions(name=package, path=[str(p) for p in (folder(name) / "lib").glob("*/site-packages")])
    return next(iter(found)).version


def bare() -> dict[str, str]:
    """This process's variables without those that would lead another Python astray; one thread."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"OMP_NUM_THREADS": "1"}


def with_runtime() -> dict[str, str]:
    """The same for what executes graphs with the runtime's own source, as the chip does."""
    import sensorium

    return bare() | {"PYTHONPATH": str(Path(sensorium.__file__).parents[1])}


def install(name: str) -> None:
    """Make an environment; raises CompileError with pip's last words."""
    where = folder(name)
    venv.create(where, clear=True, with_pip=True)
    pip = [str(where / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *REQUIREMENTS[name]], env=bare(), capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise CompileError(f"{' '.join(REQUIREMENTS[name])} cannot be installed: {told}")
    (where / READY).touch()


def main() -> None:
    """Make the environments that are asked for and not there."""
    parser = argparse.ArgumentParser(prog="npu-tools", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"{', '.join(REQUIREMENTS)}; default: all")
    try:
        for name in parser.parse_args().name or REQUIREMENTS:
            if missing(name) is not None:
                sys.stderr.write(f"npu-tools: {folder(name)}: {' '.join(REQUIREMENTS[name])}\n")
                install(name)
    except CompileError as err:
        sys.exit(f"npu-tools: {err}")
