"""A module as ONNX: opset 20, batch normalisation folded, the same bytes each time, nodes known by module path."""

import logging
import re
import warnings
from ast import literal_eval
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import onnx
import torch
from torch import nn
from torch.export import ExportedProgram

from sensorium_compile.convert.graph import IR_VERSION, OPSET
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.exportable import Exportable, positional, unwrapped
from sensorium_compile.lower.folding import fold_batchnorm

_SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter keeps the path of modules of a node
_OPERATOR = re.compile(r"\b(\w+)(?:::|\.)(\w+)\.(\w+)")  # aten.fft_rfft.default, aten::fft_rfft.default
_LOGGERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


@dataclass(frozen=True, slots=True)
class OnnxExport:
    """A float graph and the module path of each of its nodes, by node name."""

    model: onnx.ModelProto
    paths: Mapping[str, str]


_programs: WeakKeyDictionary[Exportable, ExportedProgram] = WeakKeyDictionary()
_exports: WeakKeyDictionary[Exportable, OnnxExport] = WeakKeyDictionary()


def exported_program(graph: Exportable) -> ExportedProgram:
    """What torch.export sees of the module, batch normalisation folded; remembered for each Exportable.

    Raises CompileError where Python decides by the values of tensors.
    """
    if graph not in _programs:
        args = tuple(graph.inputs.values())
        with quiet(), torch.no_grad():
            try:
                folded = fold_batchnorm(graph.module, lambda m: export(positional(m, graph.outputs), args))
                _programs[graph] = export(positional(folded, graph.outputs), args)
            except Exception as err:  # torch.export raises many kinds
                raise CompileError(
                    f"graph {graph.name} cannot be exported: {first_line(err)}; "
                    "its forward must not branch on the values of tensors, and its shapes must be static"
                ) from err
    return _programs[graph]


def export(module: nn.Module, args: tuple[torch.Tensor, ...]) -> ExportedProgram:
    """torch.export with static shapes."""
    return torch.export.export(module, args)


def export_onnx(graph: Exportable, backend: str) -> OnnxExport:
    """The graph as ONNX; remembered for each Exportable. Raises CompileError naming the operator that ONNX lacks."""
    if graph not in _exports:
        program = exported_program(graph)
        with quiet(), torch.no_grad():
            try:
                made = torch.onnx.export(
                    program,
                    tuple(graph.inputs.values()),
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
        _exports[graph] = OnnxExport(_plain(model, graph.name), paths)
    return _exports[graph]


def unsupported(graph: Exportable, backend: str, program: ExportedProgram, err: BaseException) -> CompileError:
    """The error for an operator that ``backend`` lacks: which one, in which layer, what to do."""
    text = "\n".join(str(e) for e in _chain(err))
    layers = {str(n.target): layer_of(n) for n in program.graph.nodes if n.op == "call_function"}
    for space, name, overload in _OPERATOR.findall(text):
        for target, layer in layers.items():
            if target in (f"{space}.{name}.{overload}", f"{space}.{name}.default"):
                return CompileError(
                    f"graph {graph.name}: {backend} has no operator {target}, which layer {layer or '(top)'} uses; "
                    "write the layer with other operators, or leave that backend out"
                )
    return CompileError(f"graph {graph.name}: {backend} refuses it: {first_line(err)}")


def layer_of(node: torch.fx.Node) -> str:
    """The path of the module that a node of an exported program comes from."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next((path for path, _ in reversed(stack.values())), "") if stack else ""
    return unwrapped(path)


def first_line(err: BaseException) -> str:
    """What an error says first, or its kind."""
    return next((line.strip() for line in str(err).splitlines() if line.strip()), type(err).__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Torch's exporters warn of their own insides; what concerns the user is raised by us."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _chain(err: BaseException | None) -> Iterator[BaseException]:
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


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
