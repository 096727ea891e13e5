"""Lowering to OpenVINO: the ONNX graph as it is made for ONNX Runtime, which OpenVINO reads and fuses itself.

So the ranges recorded for ONNX Runtime serve both, and a graph is one file with the same bytes each time.
"""

from collections.abc import Collection
from dataclasses import replace
from importlib.util import find_spec

from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower import onnxruntime
from sensorium_compile.lower.calibration import Calibration
from sensorium_compile.lower.exportable import Exportable

NAME = "openvino"
PRECISIONS = ("float32", "bfloat16", "int8-static", "int8-weights")
TOOLS = (*onnxruntime.TOOLS, "openvino")


def missing() -> str | None:
    """Why this backend cannot be used here, or None."""
    return None if find_spec("openvino") else "pip install openvino"


def lower(graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = ()) -> GraphDraft:
    """The graph as .onnx; bfloat16 is the float graph with another hint to the runtime."""
    made = onnxruntime.lower(graph, "float32" if precision == "bfloat16" else precision, calibration, keep, NAME)
    return replace(made, backend=NAME, precision=precision, tools=TOOLS)
