"""A module as torch.export sees it, which every backend starts from; and what to say of an operator that one lacks."""

import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from sensorium_compile.errors import CompileError
from sensorium_compile.lower.exportable import Exportable, positional, unwrapped
from sensorium_compile.lower.folding import fold_batchnorm

_OPERATOR = re.compile(r"\b(?:aten|prims)(?:::|\.)(\w+)")  # aten.fft_rfft.default, aten::fft_rfft
_LOGGERS = ("torch.onnx", "torch.export", "torch.utils._pytree", "torchao", "onnxscript", "onnx_ir", "root")
_STDERR = 2  # the process's file descriptor

_folded: WeakKeyDictionary[Exportable, nn.Module] = WeakKeyDictionary()
_programs: WeakKeyDictionary[Exportable, ExportedProgram] = WeakKeyDictionary()


def folded(graph: Exportable) -> nn.Module:
    """The graph's module as exporters want it: batch normalisation folded, tensors by position; remembered.

    Raises CompileError where Python decides by the values of tensors.
    """
    if graph not in _folded:
        module = fold_batchnorm(graph.module, lambda m: _export(graph, positional(m, graph.outputs)))
        _folded[graph] = positional(module, graph.outputs)
    return _folded[graph]


def exported_program(graph: Exportable) -> ExportedProgram:
    """What torch.export sees of ``folded``, with static shapes; remembered. Raises CompileError like ``folded``."""
    if graph not in _programs:
        _programs[graph] = _export(graph, folded(graph))
    return _programs[graph]


def batched_program(graph: Exportable) -> ExportedProgram:
    """The same with any number of samples at once. Raises CompileError where the module counts on one."""
    rows = torch.export.Dim("batch")
    pairs = tuple(torch.cat([tensor, tensor]) for tensor in graph.inputs.values())  # of one, torch makes a constant
    with quiet(), torch.no_grad():
        try:
            return torch.export.export(folded(graph), pairs, dynamic_shapes=(tuple({0: rows} for _ in pairs),))
        except Exception as err:  # torch.export raises many kinds
            raise CompileError(
                f"graph {graph.name} cannot take any number of samples: {first_line(err)}; "
                'take the size of the batch from the input, or leave batch = "any" out'
            ) from err


def unsupported(graph: Exportable, backend: str, program: ExportedProgram, err: BaseException) -> CompileError:
    """The error for an operator that ``backend`` lacks: which one, in which layer, what to do."""
    reasons = [str(e) for e in _chain(err)][::-1]  # the root cause first
    for operators in (_operators(program), _operators(_decomposed(program))):
        for reason in reasons:
            told = set(_OPERATOR.findall(reason))
            for target, layer in operators.items():
                name = target.split(".")[1]
                if any(name == other or name.endswith(f"_{other}") for other in told):
                    return CompileError(
                        f"graph {graph.name}: {backend} has no operator {target}, which layer {layer or '(top)'} uses; "
                        "write the layer with other operators, or leave that backend out"
                    )
    return CompileError(f"graph {graph.name}: {backend} refuses it: {first_line(err)}")


def _operators(program: ExportedProgram) -> dict[str, str]:
    """Each operator, e.g. ``aten.fft_rfft.default``, and the layer that uses it first."""
    found: dict[str, str] = {}
    for node in program.graph.nodes:
        if node.op == "call_function" and "." in str(node.target):
            found.setdefault(str(node.target), layer_of(node))
    return found


def _decomposed(program: ExportedProgram) -> ExportedProgram:
    """In the smaller operators that converters work on."""
    with quiet():
        made: ExportedProgram = program.run_decompositions()
    return made


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


@contextmanager
def silent() -> Iterator[None]:
    """``quiet``, and without what compiled code writes to the process's standard error meanwhile."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), _STDERR)
        with quiet():
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, _STDERR)
        os.close(kept)


def _chain(err: BaseException | None) -> Iterator[BaseException]:
    while err is not None:
        yield err
        err = err.__cause__ or err.__context__


def _export(graph: Exportable, module: nn.Module) -> ExportedProgram:
    args: tuple[Tensor, ...] = tuple(graph.inputs.values())
    with quiet(), torch.no_grad():
        try:
            return torch.export.export(module, args)
        except Exception as err:  # torch.export raises many kinds
            raise CompileError(
                f"graph {graph.name} cannot be exported: {first_line(err)}; "
                "its forward must not branch on the values of tensors, and its shapes must be static"
            ) from err
