"""A module as an all-integer .tflite for an NPU, and LiteRT's kernels that simulate it here.

``int8`` is 8 bits everywhere. ``int16`` has activations of 16 bits and weights of 8. Products of two activations stay
at 8, for Ethos-U55 takes no others, and so do RSQRT, for which TOSA has no 16 bits, and SOFTMAX, whose 16 bits come out
2.9 dB above their error on TOSA's reference model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from sensorium.bundle import TensorSpec
from sensorium.samples import Array
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.calibration import Calibration, Feeds, Ranges
from sensorium_compile.lower.exportable import Exportable
from sensorium_compile.lower.litert import float_model
from sensorium_compile.lower.program import quiet, silent
from sensorium_compile.targets.npu_form import npu_form
from sensorium_compile.targets.source import Source

KEY = "ethos"  # of the ranges in a checkpoint's calibration
BITS = {"int8": 8, "int16": 16}
EIGHT_BITS = ("BATCH_MATMUL", "RSQRT", "SOFTMAX")
MARGIN = {"int8": 1.0, "int16": 1.3}  # of 16 bits a third of one is given for samples louder than those of calibration


@dataclass(frozen=True, slots=True, eq=False)
class NpuGraph:
    """The .tflite and what goes before it."""

    content: bytes
    host: nn.Module | None  # see NpuForm
    notes: tuple[str, ...]  # what the host does to inputs and outputs


@dataclass(frozen=True, slots=True, eq=False)
class _Float:
    content: bytes
    host: nn.Module | None
    told: str


_floats: WeakKeyDictionary[Exportable, _Float] = WeakKeyDictionary()


def npu_graph(source: Source, form: str) -> NpuGraph:
    """The graph in integers; raises CompileError: no module, no ranges, an operator that no integers are known for."""
    exportable, _ = _own(source)
    made, ranges = _float(exportable), ranges_of(source)
    content = _quantized(source.name, made.content, ranges, form)
    simulated = IntegerGraph(content, made.host, *exportable.specs())
    return NpuGraph(content, made.host, (*((f"the host's part: {made.told}",) if made.told else ()), *simulated.told()))


def ranges_of(source: Source) -> Ranges:
    """Of every tensor; raises CompileError where none are recorded and there are no samples, or it has no module."""
    exportable, calibration = _own(source)
    return calibration.ranges(KEY, source.name, partial(_ranges, _float(exportable)))


def _own(source: Source) -> tuple[Exportable, Calibration]:
    if source.exportable is None or source.calibration is None:
        raise CompileError(f"graph {source.name} is a ready part; only a model's own graphs are written for an NPU")
    return source.exportable, source.calibration


class IntegerGraph:
    """The .tflite with floats outside, as the host quantizes them; LiteRT's kernels execute it, or ``execute`` does.

    ``execute`` takes and gives integers by their place among the inputs and outputs.
    """

    def __init__(
        self,
        content: bytes,
        host: nn.Module | None,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        execute: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None,
    ) -> None:
        self.inputs, self.outputs = inputs, outputs
        interpreter = _interpreter(content)
        self._host, self._execute, self._runner = host, execute, interpreter.get_signature_runner()
        self._given, self._made = self._runner.get_input_details(), self._runner.get_output_details()
        orders = (interpreter.get_input_details(), interpreter.get_output_details())
        self._first, self._last = ([one["index"] for one in order] for order in orders)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        prepared = {name: self._prepared(name, value) for name, value in feeds.items()}
        if self._execute is None:
            made = self._runner(**prepared)
        else:
            places = {str(self._first.index(one["index"])): prepared[name] for name, one in self._given.items()}
            answered = self._execute(dict(sorted(places.items())))
            made = {name: answered[str(self._last.index(one["index"]))] for name, one in self._made.items()}
        return {name: _dequantized(value, self._made[name]) for name, value in made.items()}

    def told(self) -> tuple[str, ...]:
        """How each input and output is quantized."""
        tensors = {**self._given, **self._made}
        return tuple(
            f"{name}: {np.dtype(one['dtype']).name} = round(value / {one['quantization'][0]:.6g}) "
            f"+ {one['quantization'][1]}"
            for name, one in tensors.items()
        )

    def _prepared(self, name: str, value: Array) -> Array:
        if self._host is not None:
            with torch.no_grad():
                value = self._host(torch.from_numpy(value)).numpy()
        detail = self._given[name]
        scale, zero = detail["quantization"]
        limits = np.iinfo(detail["dtype"])
        made: Array = np.clip(np.round(value / scale) + zero, limits.min, limits.max).astype(detail["dtype"])
        return made


def operators(content: bytes) -> list[str]:
    """The TFLite operators, in order."""
    return [str(one["op_name"]) for one in _interpreter(content)._get_ops_details()]


def _float(graph: Exportable) -> _Float:
    """The module in the NPU's form, converted; remembered."""
    if graph not in _floats:
        form = npu_form(graph.module)
        inputs = dict(graph.inputs)
        if form.host is not None:
            with torch.no_grad():
                inputs = {name: form.host(value) for name, value in inputs.items()}
        written = Exportable(graph.name, form.module, inputs, graph.outputs)
        _floats[graph] = _Float(float_model(written).content, form.host, form.told)
    return _floats[graph]


def _ranges(made: _Float, feeds: Sequence[Feeds]) -> Ranges:
    """The range of every tensor that is computed, and of every input."""
    interpreter = _interpreter(made.content, keep=True)
    computed = {index for one in interpreter._get_ops_details() for index in one["outputs"]}
    computed |= {one["index"] for one in interpreter.get_input_details()}
    tensors = {one["name"]: one["index"] for one in interpreter.get_tensor_details() if one["index"] in computed}
    runner, seen = interpreter.get_signature_runner(), dict[str, tuple[float, float]]()
    for feed in feeds:
        given = {name: torch.from_numpy(value) for name, value in feed.items()}
        with torch.no_grad():
            runner(**{n: (made.host(v) if made.host is not None else v).numpy() for n, v in given.items()})
        for name, index in tensors.items():
            value = interpreter.get_tensor(index)
            low, high = seen.get(name, (np.inf, -np.inf))
            seen[name] = (min(low, float(value.min())), max(high, float(value.max())))
    return seen


def _quantized(name: str, content: bytes, ranges: Ranges, form: str) -> bytes:
    from ai_edge_quantizer import qtyping, quantizer

    ranks = {one["name"]: len(one["shape"]) for one in _interpreter(content).get_tensor_details()}
    if lost := [tensor for tensor in ranges if tensor not in ranks]:
        raise CompileError(f"graph {name}: ranges of {lost[0]} were recorded, which it has not: record them again")
    made = quantizer.Quantizer(content)
    made.add_static_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, BITS[form], 8)
    for kind in EIGHT_BITS:
        made.add_static_config(".*", qtyping.TFLOperationName[kind], 8, 8)
    statistics = {
        tensor: {
            side: np.full((1,) * ranks[tensor], value * MARGIN[form], np.float32)
            for side, value in zip(("min", "max"), pair, strict=True)
        }
        for tensor, pair in ranges.items()
    }
    with silent():
        result = made.quantize(statistics, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _interpreter(content: bytes, *, keep: bool = False) -> Any:
    """Ready to run; without delegates and with all tensors where they are to be looked at."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if keep else OpResolverType.AUTO
    with quiet():
        made = Interpreter(
            model_content=content,
            num_threads=1,
            experimental_preserve_all_tensors=keep,
            experimental_op_resolver_type=resolver,
        )
    made.allocate_tensors()
    return made


def _dequantized(value: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    made: Array = (value.astype(np.float32) - zero) * np.float32(scale)
    return made
