"""The ONNX graph that a TensorFlow.js graph becomes: which value lives where, in which layout.

TensorFlow keeps images as NHWC, ONNX as NCHW. What came out of a convolution stays NCHW for as long as what
follows allows it (``Value.nchw``), so that transposes stand only where the image enters and where it is
flattened.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from sensorium.samples import Array
from sensorium_compile.convert.graph import GraphWriter
from sensorium_compile.errors import CompileError

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
PIXELS = "pixels"  # the name of the graph's input


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the ONNX graph; ``nchw`` where its axes are moved against TensorFlow's."""

    name: str
    nchw: bool = False


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's attributes in TensorFlow's JSON form: integers as strings, strings as base64."""

    node: str
    raw: Mapping[str, Any]

    def type(self, key: str) -> str:
        """A data type, e.g. ``DT_INT32``."""
        return str(self.raw[key]["type"])

    def flag(self, key: str) -> bool:
        """A boolean, false where it is not given."""
        return bool(self.raw.get(key, {}).get("b", False))

    def number(self, key: str) -> int:
        """An integer, 0 where it is not given."""
        return int(self.raw.get(key, {}).get("i", 0))

    def text(self, key: str) -> str:
        """A string, empty where it is not given."""
        return base64.b64decode(self.raw.get(key, {}).get("s", "")).decode()

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        return [base64.b64decode(s).decode() for s in self.raw[key]["list"]["s"]]

    def height_width(self, key: str) -> tuple[int, int]:
        """The middle two of four integers: a stride or kernel of NHWC; 1, 1 where not given."""
        four = self.raw.get(key, {}).get("list", {}).get("i", (1, 1, 1, 1))
        return int(four[1]), int(four[2])

    def shape(self, key: str) -> list[int]:
        """A tensor's shape."""
        return [int(d["size"]) for d in self.raw[key]["shape"]["dim"]]


class Emitter:
    """Writes the ONNX graph, and knows under which name and in which layout each TensorFlow output lives."""

    def __init__(self, name: str, weights: Mapping[str, Array]) -> None:
        self.graph = GraphWriter(name)
        self._weights = weights
        self._arrays: dict[str, Array] = {}  # "name:0" -> constant
        self._values: dict[str, Value] = {}  # "name:index" -> value

    def constant(self, node: str) -> None:
        """A weight; it is written to the graph in the layout in which it is used."""
        if node not in self._weights:
            raise CompileError(f"no weight for constant {node!r}; pull the weights again")
        self._arrays[f"{node}:0"] = self._weights[node]

    def pixels(self, node: str, shape: Sequence[int]) -> None:
        """An image as uint8 input, used as float."""
        name = self.graph.input(PIXELS, TensorProto.UINT8, shape)
        self._values[f"{node}:0"] = Value(self.graph.node("Cast", [name], to=TensorProto.FLOAT))

    def emit(self, op: "Op", node: str, inputs: Sequence[str], attributes: Attributes) -> None:
        """Write what ``op`` makes of a node."""
        made = op(self, inputs, attributes)
        for index, value in enumerate(made if isinstance(made, tuple) else (made,)):
            self._values[f"{node}:{index}"] = value

    def finish(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        """The model, its outputs in TensorFlow's layout."""
        return self.graph.finish({new: self.plain(f"{node}:0") for new, node in outputs.items()})

    def value(self, reference: str) -> Value:
        """An input as it is."""
        return self._values[reference] if reference in self._values else Value(self.plain(reference))

    def array(self, reference: str, attributes: Attributes) -> Array:
        """An input that must be a constant."""
        if reference not in self._arrays:
            raise CompileError(f"node {attributes.node!r}: input {reference} must be a constant")
        return self._arrays[reference]

    def numbers(self, reference: str, attributes: Attributes) -> list[int]:
        """A constant as a list of integers."""
        return [int(n) for n in self.array(reference, attributes).reshape(-1)]

    def plain(self, reference: str) -> str:
        """The name of an input in TensorFlow's layout."""
        if reference in self._arrays:
            return self.graph.const(self._arrays[reference])
        value = self._values[reference]
        return self.graph.node("Transpose", [value.name], perm=TO_NHWC) if value.nchw else value.name

    def nchw(self, reference: str) -> str:
        """The name of an input in ONNX's layout; constants broadcast as they did in NHWC."""
        if reference in self._arrays:
            array = self._arrays[reference]
            four = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(TO_NCHW)
            return self.graph.const(four if array.ndim else array)
        value = self._values[reference]
        return value.name if value.nchw else self.graph.node("Transpose", [value.name], perm=TO_NCHW)

    def alike(self, references: Sequence[str]) -> tuple[list[str], bool]:
        """Several inputs in one layout, NCHW if any of them is."""
        nchw = any(r in self._values and self._values[r].nchw for r in references)
        return [self.nchw(r) if nchw else self.plain(r) for r in references], nchw

    def const(self, values: object, dtype: type[np.generic] = np.int64) -> str:
        """A constant of ours."""
        return self.graph.const(np.array(values, dtype))


Op = Callable[[Emitter, Sequence[str], Attributes], Value | tuple[Value, ...]]
