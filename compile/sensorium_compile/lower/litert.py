"""Lowering to LiteRT: litert-torch converts, ai-edge-quantizer quantizes the layers with weights."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower.calibration import Calibration, Ranges, range_of
from sensorium_compile.lower.exportable import Exportable, inside
from sensorium_compile.lower.program import exported_program, folded, silent, unsupported

if TYPE_CHECKING:
    from sensorium_compile.lower.litert_model import FloatModel, Layer

NAME = "litert"
PRECISIONS = ("float32", "int8-dynamic", "int8-static", "int8-mixed", "int8-weights")
TOOLS = ("torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer")

_LINEAR, _CONVOLUTION, _DEPTHWISE, _TABLE = "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "EMBEDDING_LOOKUP"
# Precision -> kind of layer -> how ai-edge-quantizer treats it. XNNPACK has no dynamic depthwise convolution, so its
# weights alone have 8 bits there. A table's "dynamic" look-up reads int8 rows; its "weights" would make it float first.
_TREATMENTS = {
    "float32": {},
    "int8-dynamic": {_LINEAR: "dynamic", _CONVOLUTION: "dynamic", _DEPTHWISE: "weights", _TABLE: "dynamic"},
    "int8-static": {_LINEAR: "static", _CONVOLUTION: "static", _DEPTHWISE: "static", _TABLE: "dynamic"},
    "int8-mixed": {_LINEAR: "dynamic", _CONVOLUTION: "static", _DEPTHWISE: "static", _TABLE: "dynamic"},
    "int8-weights": {_LINEAR: "weights", _CONVOLUTION: "weights", _DEPTHWISE: "weights", _TABLE: "dynamic"},
}

FloatArray = NDArray[np.float32]

_models: "WeakKeyDictionary[Exportable, FloatModel]" = WeakKeyDictionary()


def missing() -> str | None:
    """Why this backend cannot be used here, or None."""
    absent = [p for p in ("litert_torch", "ai_edge_quantizer", "ai_edge_litert") if find_spec(p) is None]
    return f"pip install {' '.join(absent).replace('_', '-')}" if absent else None


def lower(graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = ()) -> GraphDraft:
    """The graph as .tflite. ``int8-mixed`` is static convolutions with dynamic linear layers."""
    model = float_model(graph)
    kept, weights_only = graph.float_paths(keep), graph.weight_paths()
    treated = [
        (layer, how) for layer in model.layers if (how := _treatment(layer, precision, kept, weights_only)) is not None
    ]
    ranges: Ranges = {}
    if any(how == "static" for _, how in treated):
        ranges = calibration.ranges(NAME, graph.name, model.ranges)
    inputs, outputs = graph.specs()
    return GraphDraft(
        model=_quantized(graph, model, treated, ranges) if treated else model.content,
        suffix=".tflite",
        backend=NAME,
        precision=precision,
        golden={"example": graph.example()},
        inputs=inputs,
        outputs=outputs,
        tools=TOOLS,
    )


def _treatment(
    layer: "Layer", precision: str, float_paths: Collection[str], weights_only: Collection[str]
) -> str | None:
    """How a layer is quantized; None: it stays as it is. ``weights_only`` are among ``float_paths``."""
    in_float = [path for path in layer.paths if inside(path, float_paths)]
    if not all(inside(path, weights_only) for path in in_float):
        return None
    usual = _TREATMENTS[precision].get(layer.kind)
    return "weights" if usual is not None and in_float else usual


def float_model(graph: Exportable) -> "FloatModel":
    """The converted graph; remembered for each Exportable."""
    if graph not in _models:
        program = exported_program(graph)
        try:
            with _silent():
                import litert_torch

                from sensorium_compile.lower.litert_model import read_float_model

                made = litert_torch.convert(folded(graph), tuple(graph.inputs.values()))
                content = bytes(made.model_content())
        except Exception as err:  # the converter raises many kinds
            raise unsupported(graph, NAME, program, err) from err
        _models[graph] = read_float_model(content, folded(graph), tuple(graph.inputs), graph.outputs)
    return _models[graph]


def _quantized(graph: Exportable, model: "FloatModel", treated: "Sequence[tuple[Layer, str]]", ranges: Ranges) -> bytes:
    from ai_edge_quantizer import qtyping, quantizer

    made = quantizer.Quantizer(model.content)
    for layer, how in treated:
        kind = qtyping.TFLOperationName[layer.kind]
        scope = f"^{re.escape(layer.given.name)};"  # the quantizer knows an operator by its outputs
        if how == "static":
            made.add_static_config(scope, kind, 8, 8)
        elif how == "dynamic":
            made.add_dynamic_config(scope, kind, 8)
        else:
            made.add_weight_only_config(scope, kind, 8)
    statistics = {}
    for layer, how in treated:
        if how == "static":
            for value, side in ((layer.taken, "in"), (layer.given, "out")):
                statistics[value.name] = _statistic(range_of(ranges, graph.name, layer.key, side), value.rank)
    with _silent():
        result = made.quantize(statistics or None, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _statistic(bounds: tuple[float, float], rank: int) -> dict[str, FloatArray]:
    """A range as ai-edge-quantizer keeps it: arrays of one element with the rank of the tensor."""
    return {side: np.full((1,) * rank, value, np.float32) for side, value in zip(("min", "max"), bounds, strict=True)}


@contextmanager
def _silent() -> Iterator[None]:
    """Without the converter's progress on the terminal, for as long as it runs."""
    name = "LITERT_TORCH_SHOW_PROGRESS"
    before = os.environ.get(name)
    os.environ[name] = "n"
    try:
        with silent():
            yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
