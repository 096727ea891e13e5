"""Reads a PyTorch state dict without PyTorch, and without trusting its pickle.

The format is that of torch.save before version 1.6: four pickles (magic number, protocol, system, the dict
whose tensors refer to storages by key), the list of storage keys, then each storage as a 64-bit count and raw
values.
https://github.com/pytorch/pytorch/blob/v2.9.0/torch/serialization.py, _legacy_save
"""

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sensorium.errors import unknown
from sensorium.samples import Array
from sensorium_compile.errors import CompileError

MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
MAX_STORAGE = 2**28  # values: a gigabyte of float32; the models of our zoo have up to 1.3 million in one tensor

_STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4"}


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: str


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor as a view of a storage, in values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_state_dict(path: Path) -> dict[str, Array]:
    """Every tensor of the file by name.

    Raises CompileError when the file is no such state dict, or its pickle asks for more than plain tensors.
    """
    with path.open("rb") as stream:
        try:
            return _read(stream)
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError) as err:
            raise CompileError(f"{path.name} is no PyTorch state dict of the old format: {err}") from err


def _read(stream: BinaryIO) -> dict[str, Array]:
    if _Unpickler(stream).load() != MAGIC:
        raise ValueError("its magic number is wrong")
    for _ in ("protocol version", "system information"):
        _Unpickler(stream).load()
    tensors = _Unpickler(stream).load()
    views = {name: view for name, view in tensors.items() if isinstance(view, _View)}
    dtypes = {view.storage.key: view.storage.dtype for view in views.values()}
    values = {key: _values(stream, dtypes[key]) for key in _Unpickler(stream).load()}
    return {name: _tensor(view, values[view.storage.key]) for name, view in views.items()}


def _values(stream: BinaryIO, dtype: str) -> Array:
    count = int.from_bytes(stream.read(8), "little")
    if count > MAX_STORAGE:
        raise ValueError(f"a storage of {count:,} values; allowed: {MAX_STORAGE:,}")
    return np.frombuffer(stream.read(count * np.dtype(dtype).itemsize), dtype, count)


def _tensor(view: _View, values: Array) -> Array:
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    odd = view.offset < 0 or min((*view.shape, 1)) < 1 or min((*view.strides, 0)) < 0
    if odd or last >= len(values) or math.prod(view.shape) > len(values):
        raise ValueError(f"a tensor {view.shape} reaches past its storage of {len(values)} values")
    strides = [s * values.itemsize for s in view.strides]
    return np.lib.stride_tricks.as_strided(values[view.offset :], view.shape, strides, writeable=False).copy()


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _View:
    return _View(storage, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    """Builds dicts and views of tensors; refuses every other class and function."""

    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(unknown("name in a state dict", f"{module}.{name}", ("tensors", "OrderedDict")))

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return _Storage(str(key), str(dtype))
