"""Lowering to OpenVINO: the ONNX graph as it is made for ONNX Runtime, which OpenVINO reads and fuses itself.

So the ranges recorded for ONNX Runtime serve both, and a graph is one file with the same bytes each time.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from importlib.util import find_spec

from sensorium.backends import open_graph
from sensorium.bundle import GraphEntry
from sensorium.errors import BackendError
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import onnxruntime
from sensorium_compile.lower.calibration import Calibration
from sensorium_compile.lower.exportable import Exportable
from sensorium_compile.lower.onnx_export import export_onnx

NAME = "openvino"
PRECISIONS = ("float32", "bfloat16", "int8-static", "int8-weights")
MOST_LEFT = 8  # layers in float before it is given up; each costs opening the graph once more
TOOLS = (*onnxruntime.TOOLS, "openvino")

_NODE = re.compile(r"\b(node_\w+)")  # torch's exporter names nodes so, and OpenVINO's messages tell the name


def missing() -> str | None:
    """Why this backend cannot be used here, or None."""
    return None if find_spec("openvino") else "pip install openvino"


def lower(graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = ()) -> GraphDraft:
    """The graph as .onnx; bfloat16 is the float graph with another hint to the runtime."""
    left: list[str] = []
    refusal: str | None = ""
    for _ in range(MOST_LEFT):
        made = onnxruntime.lower(
            graph, "float32" if precision == "bfloat16" else precision, calibration, (*keep, *left), NAME
        )
        made = replace(made, backend=NAME, precision=precision, tools=TOOLS)
        if (refusal := _refusal(graph, made)) is None:
            notes = (f"OpenVINO cannot take these in int8, they stay in float: {', '.join(left)}",) if left else ()
            return replace(made, notes=notes)
        paths = export_onnx(graph, NAME).paths
        culprit = next((paths[name] for name in _NODE.findall(refusal) if paths.get(name)), None)
        if precision != "int8-static" or culprit is None or culprit in left:
            break
        left.append(culprit)
    raise CompileError(f"graph {graph.name}: openvino refuses it at {precision}: {(refusal or '').rpartition(': ')[2]}")


def _refusal(graph: Exportable, draft: GraphDraft) -> str | None:
    """All that OpenVINO says against a graph when it is opened, or None."""
    entry = GraphEntry(
        file=f"{graph.name}{draft.suffix}",
        backend=NAME,
        inputs=draft.inputs,
        outputs=draft.outputs,
        precision=draft.precision,
    )
    try:
        open_graph(entry, draft.model, threads=1)
    except BackendError as err:
        return f"{err.__cause__}\n{err}"
    return None
