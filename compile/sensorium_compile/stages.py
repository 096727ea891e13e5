"""Stages whose results are kept by the hash of all that went in, so that a run goes on where it was stopped.

A stage writes into a folder that becomes visible whole or not at all. Its key hashes what it was given, the versions of
the tools that it uses, and this package's own source and its plugins': another version of the compiler, or of a
plugin, does not reuse a stage.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from pydantic import JsonValue

CACHE_VARIABLE = "SENSORIUM_CACHE"
PACKAGE = Path(__file__).parent

# What may change the bytes of a graph.
TOOLS = (
    "torch",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "executorch",
    "torchao",
    "ai-edge-litert",
    "litert-torch",
    "ai-edge-quantizer",
    "numpy",
)


def cache_folder() -> Path:
    """``$SENSORIUM_CACHE``, else ``compile`` in the user's cache folder for sensorium."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("sensorium", appauthor=False) / "compile"


class Stages:
    """Runs stages and keeps their results in ``root``."""

    def __init__(self, root: Path, plugins: tuple[str, ...] = ()) -> None:
        """``plugins`` are packages whose source counts as the compiler's own."""
        self.root, self.plugins = root, plugins
        self.ran: list[str] = []  # names of those that were not in the cache

    def key(self, name: str, given: Mapping[str, JsonValue]) -> str:
        """The key of a stage that was given that."""
        sources = [source_digest(PACKAGE), *(source_digest(path) for path in package_paths(self.plugins))]
        text = json.dumps([name, given, tool_versions(), *sources], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def find(self, name: str, given: Mapping[str, JsonValue]) -> Path | None:
        """The folder of a result that is there."""
        folder = self.root / f"{name}-{self.key(name, given)}"
        return folder if folder.is_dir() else None

    def run(self, name: str, given: Mapping[str, JsonValue], make: Callable[[Path], None]) -> Path:
        """The folder of the result; made by ``make(folder)`` where it is not there yet.

        While it is made, ``folder`` has the same name each time, so that a training can go on with what it saved there.
        """
        folder = self.root / f"{name}-{self.key(name, given)}"
        if folder.is_dir():
            return folder
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        make(unfinished)
        try:
            unfinished.replace(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(unfinished, ignore_errors=True)  # another run finished it meanwhile
        self.ran.append(name)
        return folder


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    Path(scratch).replace(path)


def clear(root: Path) -> None:
    """Forget every result."""
    shutil.rmtree(root, ignore_errors=True)


@cache
def source_digest(package: Path) -> str:
    """A hash over the source files of a package, or of a single module."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")) if package.is_dir() else [package]:
        total.update(path.relative_to(package).as_posix().encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def package_paths(names: Iterable[str]) -> list[Path]:
    """The folder of each package that can be imported, or the file of a module that is none."""
    paths: list[Path] = []
    for name in names:
        spec = find_spec(name)
        folders = (spec.submodule_search_locations if spec else None) or ()
        paths += [Path(folder) for folder in folders]
        if spec is not None and not folders and spec.origin is not None:
            paths.append(Path(spec.origin))
    return paths


@cache
def tool_versions() -> dict[str, JsonValue]:
    """The versions of the tools that are installed."""
    found: dict[str, JsonValue] = {}
    for tool in TOOLS:
        try:
            found[tool] = metadata.version(tool)
        except metadata.PackageNotFoundError:
            continue
    return found


def folder_digest(folders: Iterable[Path]) -> str:
    """A hash over the names, sizes and times of all files in these folders: quick, and another where data changed."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                told = path.stat()
                total.update(f"{path.relative_to(folder).as_posix()} {told.st_size} {told.st_mtime_ns}\n".encode())
    return total.hexdigest()
