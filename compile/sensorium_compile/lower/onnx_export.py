"""A module as ONNX: opset 20, batch normalisation folded, the same bytes each time, nodes known by module path."""

from ast import literal_eval
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import onnx
import torch

from sensorium_compile.convert.graph import IR_VERSION, OPSET
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.constants import fold_constants
from sensorium_compile.lower.exportable import Exportable, unwrapped
from sensorium_compile.lower.program import batched_program, exported_program, quiet, unsupported

_SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter keeps the path of modules of a node


@dataclass(frozen=True, slots=True)
class OnnxExport:
    """A float graph and the module path of each of its nodes, by node name."""

    model: onnx.ModelProto
    paths: Mapping[str, str]


_exports: WeakKeyDictionary[Exportable, OnnxExport] = WeakKeyDictionary()


def export_onnx(graph: Exportable, backend: str) -> OnnxExport:
    """The graph as ONNX; remembered for each Exportable. Raises CompileError naming the operator that ONNX lacks."""
    if graph not in _exports:
        program = exported_program(graph) if graph.batch == "one" else batched_program(graph)
        with quiet(), torch.no_grad():
            try:
                made = torch.onnx.export(
                    program,
                    program.example_inputs[0],
                    dynamo=True,
                    opset_version=OPSET,
                    external_data=False,
                    input_names=list(graph.inputs),
                    output_names=list(graph.outputs),
                    verbose=False,
                )
            except Exception as err:
                raise unsupported(graph, backend, program, err) from err
        if made is None:
            raise CompileError(f"graph {graph.name}: torch.onnx.export gave nothing; is onnxscript installed?")
        model = onnx.ModelProto.FromString(made.model_proto.SerializeToString())
        paths = {node.name: _path(node) for node in model.graph.node}
        _exports[graph] = OnnxExport(fold_constants(_plain(model, graph.name)), paths)
    return _exports[graph]


def _path(node: onnx.NodeProto) -> str:
    scopes = next((p.value for p in node.metadata_props if p.key == _SCOPES), "['']")
    paths = literal_eval(scopes)[:-1] or [""]  # the last is the node itself
    return unwrapped(paths[-1])


def _plain(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Without what depends on the machine or says nothing to a runtime: stacks, file names, tool names."""
    graph = model.graph
    for thing in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        thing.ClearField("doc_string")
        if hasattr(thing, "metadata_props"):
            del thing.metadata_props[:]
    for field in ("producer_name", "producer_version", "domain", "model_version"):
        model.ClearField(field)
    graph.name = name
    model.ir_version = min(model.ir_version, IR_VERSION)
    return model
