"""Readers by name: a folder of files in a known layout -> a pool of samples.

A plugin adds its own by ``register_reader("name", read)``; ``read(folder, spec, labels, options) -> Pool``.
"""

import importlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

from sensorium.errors import unknown
from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.options import Options
from sensorium_compile.errors import CompileError

__all__ = ["Options", "Reader", "find_reader", "reader_names", "register_reader"]


class Reader(Protocol):
    """What a plugin implements."""

    def __call__(self, folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
        """All samples of the folder, prepared to the spec; raises CompileError when the layout is not there."""


_NO_READERS = ("options", "folders", "prepared", "sequence")  # what the readers of this package share
_registered: dict[str, Reader] = {}


def register_reader(name: str, read: Reader) -> None:
    """Make a reader known under that name; raises CompileError when another one has it."""
    if name in _built_in() or _registered.get(name, read) is not read:
        raise CompileError(f"there is a reader {name!r} already; known: {', '.join(reader_names())}; take another name")
    _registered[name] = read


def reader_names() -> tuple[str, ...]:
    """Every reader that a recipe may name."""
    return tuple(sorted({*_built_in(), *_registered}))


def find_reader(name: str) -> Reader:
    """The reader of that name; raises CompileError with the known ones."""
    if name in _registered:
        return _registered[name]
    if name not in _built_in():
        raise CompileError(unknown("reader", name, reader_names()) + "; or name the plugin that registers it")
    read: Reader = importlib.import_module(f"{__name__}.{name}").read
    return read


def _built_in() -> tuple[str, ...]:
    names = (f.name.removesuffix(".py") for f in resources.files(__name__).iterdir() if f.name.endswith(".py"))
    return tuple(sorted(n for n in names if not n.startswith("_") and n not in _NO_READERS))
