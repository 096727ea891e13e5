"""A float .tflite as the converter made it: its layers with weights, by module path, and their ranges over samples.

Its inputs and outputs get our names, and its tensors those of modules: the bytes do not tell where a class was defined.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils
from numpy.typing import NDArray
from torch import nn

from sensorium.backends.litert import in_order
from sensorium_compile.lower.calibration import Feeds, Ranges, layer_keys
from sensorium_compile.lower.litert_names import Modules
from sensorium_compile.lower.program import quiet

_KINDS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "EMBEDDING_LOOKUP")
_FLOAT32 = 0  # TensorType.FLOAT32 in TensorFlow Lite's schema


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the graph."""

    name: str
    rank: int


@dataclass(frozen=True, slots=True)
class Layer:
    """An operator with a constant weight."""

    kind: str
    key: str  # see calibration.layer_keys
    paths: tuple[str, ...]  # the module it comes from; several where the converter's names do not tell
    taken: Value  # what goes in
    given: Value  # what comes out


@dataclass(frozen=True, slots=True, eq=False)
class FloatModel:
    """The .tflite and what can be quantized in it."""

    content: bytes
    layers: tuple[Layer, ...]

    def ranges(self, feeds: Sequence[Feeds]) -> Ranges:
        """What goes in and out of each layer over all feeds."""
        with quiet():  # it warns that keeping all tensors takes memory
            interpreter = Interpreter(
                model_content=self.content,
                num_threads=1,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
        interpreter.allocate_tensors()
        runner = interpreter.get_signature_runner()
        dtypes = {name: detail["dtype"] for name, detail in runner.get_input_details().items()}
        indices = {detail["name"]: detail["index"] for detail in interpreter.get_tensor_details()}
        layers = [layer for layer in self.layers if layer.kind != "EMBEDDING_LOOKUP"]
        watched = {f"{layer.key}.in": indices[layer.taken.name] for layer in layers}
        watched |= {f"{layer.key}.out": indices[layer.given.name] for layer in layers}
        seen: dict[str, tuple[float, float]] = {}
        for feed in feeds:
            runner(**{name: tensor.astype(dtypes[name], copy=False) for name, tensor in feed.items()})
            for name, index in watched.items():
                tensor = interpreter.get_tensor(index)
                low, high = seen.get(name, (np.inf, -np.inf))
                seen[name] = (min(low, float(tensor.min())), max(high, float(tensor.max())))
        return seen


def read_float_model(content: bytes, module: nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> FloatModel:
    """Rename what the converter made of ``module`` (as ``positional`` wraps it) and find its layers."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    modules, main = Modules(module), model.subgraphs[0]
    found = []
    for operator in main.operators:
        kind = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        if kind in _KINDS and (weight := _constant(model, main.tensors[operator.inputs[1]])) is not None:
            names = [main.tensors[i].name.decode() for i in (operator.inputs[1], operator.outputs[0])]
            found.append((kind, operator, modules.paths(names, weight)))
    _rename(model, modules, inputs, outputs)
    values = [Value(t.name, len(t.shape)) for t in main.tensors]
    layers = tuple(
        Layer(kind, key, paths, values[operator.inputs[0]], values[operator.outputs[0]])
        for key, (kind, operator, paths) in zip(layer_keys(p[0] for _, _, p in found), found, strict=True)
    )
    return FloatModel(bytes(flatbuffer_utils.convert_object_to_bytearray(model)), layers)


def _rename(model: Any, modules: Modules, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    for subgraph in model.subgraphs:
        for index, tensor in enumerate(subgraph.tensors):
            tensor.name = f"{modules.paths([tensor.name.decode()])[0]}:{index}"
        subgraph.name = None
    (signature,) = model.signatureDefs
    for maps, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
        by_name = {m.name.decode(): m for m in maps}
        for key, name in zip(in_order(by_name), names, strict=True):
            by_name[key].name = name


def _constant(model: Any, tensor: Any) -> NDArray[np.float32] | None:
    """The values of a constant float tensor."""
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != _FLOAT32:
        return None
    return np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
