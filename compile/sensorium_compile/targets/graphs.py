"""What families share: a graph's inputs and outputs, how it is run here, and evidence of what was done to it."""

import json
import math
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import cast

import numpy as np
import onnx

from sensorium.backends import Graph, open_graph
from sensorium.bundle import Evidence, TensorSpec, prove
from sensorium.bundle.manifest import DType
from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import entry_of
from sensorium_compile.targets.placing import Values
from sensorium_compile.targets.source import Source

Answers = Mapping[str, Mapping[str, Array]]  # case -> output -> tensor
LEAST_COSINE = 0.99  # of a graph in another form, or on another processor, to the same graph here on its golden inputs
SIMULATION = "ONNX Runtime on this processor, a simulation"


def signature(model: onnx.ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as the manifest describes them; raises CompileError where a shape is not fixed."""
    values = Values.of(model)

    def spec(name: str) -> TensorSpec:
        shape = values.shapes.get(name)
        if shape is None:
            raise CompileError(f"graph {model.graph.name}: the shape of {name} is not fixed; give it one")
        return TensorSpec(name=name, dtype=cast(DType, values.types[name]), shape=shape)

    graph = model.graph
    constants = {constant.name for constant in graph.initializer}
    inputs = tuple(spec(value.name) for value in graph.input if value.name not in constants)
    return inputs, tuple(spec(value.name) for value in graph.output)


def opener(name: str, draft: GraphDraft) -> Callable[[], Graph]:
    """Opens what ships with the backend that it is for, on one thread."""
    return lambda: open_graph(entry_of(name, draft), draft.model, threads=1)


def exported(source: Source, content: bytes, how: str) -> Evidence:
    """That a graph was written; ``how`` after it was exported from PyTorch, or out of a ready part."""
    tool = "torch" if source.exportable is not None else "onnx"
    made = "torch.onnx.export(dynamo=True, opset_version=20)" if source.exportable is not None else "a ready part"
    return prove("exported", tool, version(tool), f"{made}, {how}", content)


def linted(rules: str, told: object) -> Evidence:
    """That nothing was found by our rules; ``told`` is what was looked at."""
    content = json.dumps(told, sort_keys=True, default=str).encode()
    return prove("linted", "onnx", onnx.__version__, f"onnx.checker, shape inference, {rules}", content)


def cosine(wanted: Array, given: Array) -> float:
    """Of two tensors, all of each; 1 or 0 where one is all zeros."""
    a, b = wanted.astype(np.float64).ravel(), given.astype(np.float64).ravel()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else float(np.allclose(a, b))


def answers(graph: Graph, draft: GraphDraft) -> dict[str, dict[str, Array]]:
    """What a graph gives for the draft's golden inputs."""
    return {case: graph.run(feeds) for case, feeds in draft.golden.items()}


def least_cosine(wanted: Answers, given: Answers) -> tuple[float, str]:
    """Of all tensors of floats, case by case; the second is where that is."""
    told = [
        (cosine(value, given[case][name]), f"{name} on golden input {case}")
        for case, outputs in wanted.items()
        for name, value in outputs.items()
        if value.dtype.kind == "f"
    ]
    return min(told, default=(1.0, ""))


def version(package: str) -> str:
    """The version of a distribution that is installed."""
    return metadata.version(package)


def decibels(wanted: Answers, given: Answers) -> float:
    """How far above the error the signal is, over all cases and outputs [dB]."""
    pairs = [(wanted[case][name], given[case][name]) for case in wanted for name in wanted[case]]
    signal = sum(float(np.square(a, dtype=np.float64).sum()) for a, _ in pairs)
    error = sum(float(np.square(a.astype(np.float64) - b).sum()) for a, b in pairs)
    return 10 * math.log10(signal / error) if error and signal else 999.0
