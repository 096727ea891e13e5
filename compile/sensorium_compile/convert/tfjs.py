"""A TensorFlow.js graph model (``model.json`` and its weight file) to ONNX, without TensorFlow.

The format: https://github.com/tensorflow/tfjs/blob/tfjs-v4.22.0/tfjs-core/src/io/types.ts.
What each op becomes is in ``tfjs_ops``.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnx
from pydantic import BaseModel, Field, ValidationError

from sensorium.errors import unknown
from sensorium.samples import Array
from sensorium_compile.convert.tfjs_emitter import Attributes, Emitter
from sensorium_compile.convert.tfjs_ops import OPS
from sensorium_compile.errors import CompileError

DTYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2", "bool": "u1"}


class Quantization(BaseModel):
    """How a weight is stored smaller than it is used: float16, or an integer times ``scale`` plus ``min``."""

    dtype: str
    scale: float = 1.0
    min: float = 0.0


class Weight(BaseModel):
    """One weight of the weight file, in its order."""

    name: str
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    dtype: str
    quantization: Quantization | None = None


class WeightGroup(BaseModel):
    """The weights that one run of files holds."""

    weights: tuple[Weight, ...]


class Node(BaseModel):
    """A TensorFlow node; ``attr`` is the JSON form of its attributes."""

    name: str
    op: str
    input: tuple[str, ...] = ()
    attr: dict[str, Any] = {}


class Topology(BaseModel):
    """The nodes, each after those it takes its inputs from."""

    node: tuple[Node, ...]


class GraphModel(BaseModel):
    """``model.json``."""

    topology: Topology = Field(alias="modelTopology")
    manifest: tuple[WeightGroup, ...] = Field(alias="weightsManifest")


def convert(model: Path, weights: Path, outputs: Mapping[str, str], image: str) -> onnx.ModelProto:
    """A graph that computes ``outputs`` (new name -> the node's name).

    The placeholder ``image`` becomes the input ``pixels``, uint8 of the same shape.
    Raises CompileError when the file is no graph model, or names an op that has no counterpart yet.
    """
    try:
        parsed = GraphModel.model_validate_json(model.read_bytes())
    except ValidationError as err:
        raise CompileError(f"{model.name} is no TensorFlow.js graph model: {err.errors()[0]['msg']}") from err
    emitter = Emitter(model.stem, read_weights(parsed, weights))
    for node in _needed(parsed.topology.node, list(outputs.values())):
        _emit(emitter, node, image)
    return emitter.finish(outputs)


def read_weights(model: GraphModel, path: Path) -> dict[str, Array]:
    """Every weight by name, as float32 or int32."""
    data = path.read_bytes()
    found, start = {}, 0
    for weight in (w for group in model.manifest for w in group.weights):
        stored = np.dtype(_dtype(weight.quantization.dtype if weight.quantization else weight.dtype))
        count = int(np.prod(weight.shape))
        if start + count * stored.itemsize > len(data):
            raise CompileError(f"{path.name} ends inside weight {weight.name!r}; pull it again")
        values = np.frombuffer(data, stored, count, start).reshape(weight.shape)
        found[weight.name] = _restored(values, weight)
        start += values.nbytes
    if start != len(data):
        raise CompileError(f"{path.name} has {len(data):,} bytes where its model.json describes {start:,}")
    return found


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise CompileError(unknown("weight type", name, DTYPES))
    return DTYPES[name]


def _restored(values: Array, weight: Weight) -> Array:
    kind = weight.quantization
    if kind and kind.dtype != "float16":
        return (values.astype(np.float64) * kind.scale + kind.min).astype(_dtype(weight.dtype))
    return values.astype(_dtype(weight.dtype))


def _needed(nodes: Sequence[Node], outputs: Sequence[str]) -> Iterator[Node]:
    """The nodes that the outputs depend on, in an order in which each follows its inputs."""
    by_name = {node.name: node for node in nodes}
    done: set[str] = set()
    stack = [(name, False) for name in reversed(outputs)]
    while stack:
        name, ready = stack.pop()
        if name in done:
            continue
        if name not in by_name:
            raise CompileError(f"the graph model has no node {name!r}")
        if ready:
            done.add(name)
            yield by_name[name]
        else:
            sources = [source_of(i)[0] for i in by_name[name].input]
            stack += [(name, True), *((s, False) for s in reversed(sources))]


def source_of(reference: str) -> tuple[str, int]:
    """The node and the output index of an input such as ``^a``, ``a`` or ``a:1``."""
    name, _, index = reference.lstrip("^").partition(":")
    return name, int(index or 0)


def _emit(emitter: Emitter, node: Node, image: str) -> None:
    attributes = Attributes(node.name, node.attr)
    if node.op == "Const":
        emitter.constant(node.name)
    elif node.op == "Placeholder" and node.name == image:
        emitter.pixels(node.name, attributes.shape("shape"))
    elif node.op in OPS:
        inputs = [":".join(map(str, source_of(i))) for i in node.input if not i.startswith("^")]
        emitter.emit(OPS[node.op], node.name, inputs, attributes)
    else:
        known = ", ".join(sorted(OPS))
        raise CompileError(f"no counterpart yet for op {node.op!r} of node {node.name!r}; known: {known}")
