"""Lowering to ExecuTorch with the XNNPACK delegate, quantized by pt2e with ranges that are known beforehand."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.fx.traceback import NodeSource

from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.calibration import Calibration, Feeds, Ranges, layer_keys, range_of
from sensorium_compile.lower.exportable import Exportable, inside
from sensorium_compile.lower.program import exported_program, layer_of, silent, unsupported

if TYPE_CHECKING:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import QuantizationConfig

NAME = "executorch"
PRECISIONS = ("float32", "int8-dynamic", "int8-static")
TOOLS = ("torch", "torchao", "executorch")

_EPSILON = 2**-12  # as in XNNPACK's own configuration: the smallest scale its kernels take
_NAME = re.compile(r"(?:^|: )(\w+\.\w+)\.\w+")  # <EdgeOpOverload: aten.mul.Tensor>: schema = ..., aten.mul.Tensor
_LINEAR = (torch.ops.aten.linear.default,)
_CONVOLUTION = (torch.ops.aten.conv1d.default, torch.ops.aten.conv2d.default)

_Made = tuple[bytes, tuple[str, ...]]  # the .pte, notes

_programs: WeakKeyDictionary[Exportable, ExportedProgram] = WeakKeyDictionary()
_results: WeakKeyDictionary[Exportable, dict[tuple[str, tuple[str, ...]], _Made]] = WeakKeyDictionary()


def missing() -> str | None:
    """Why this backend cannot be used here, or None."""
    absent = [package for package in ("executorch", "torchao") if find_spec(package) is None]
    return f"pip install {' '.join(absent)}" if absent else None


def lower(graph: Exportable, precision: str, calibration: Calibration, keep: Collection[str] = ()) -> GraphDraft:
    """The graph as .pte. ``int8-static`` is static convolutions with dynamic linear layers."""
    with silent(), _origins_shared(), torch.no_grad():
        try:
            model, notes = _lowered(graph, precision, calibration, graph.float_paths(keep))
        except CompileError:
            raise
        except Exception as err:  # its passes raise many kinds
            raise unsupported(graph, NAME, exported_program(graph), err) from err
    inputs, outputs = graph.specs()
    return GraphDraft(
        model=model,
        suffix=".pte",
        backend=NAME,
        precision=precision,
        golden={"example": graph.example()},
        inputs=inputs,
        outputs=outputs,
        notes=notes,
        tools=TOOLS,
    )


@contextmanager
def _origins_shared() -> Iterator[None]:
    """Each pass copies the whole history of every node, which nobody changes: a fifth of all the time."""
    NodeSource.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del NodeSource.__deepcopy__  # type: ignore[attr-defined]


def _lowered(graph: Exportable, precision: str, calibration: Calibration, kept: tuple[str, ...]) -> _Made:
    """The program and its notes; remembered, since it takes seconds and two precisions may come to the same."""
    program = _constants_folded(graph)
    open_to = {node.target for node in program.graph.nodes if not inside(layer_of(node), kept)}
    if precision == "int8-static" and open_to.isdisjoint(_CONVOLUTION):
        precision = "int8-dynamic"
    if precision == "int8-dynamic" and open_to.isdisjoint(_LINEAR):
        precision = "float32"
    kept = () if precision == "float32" else kept
    made = _results.setdefault(graph, {})
    if (precision, kept) not in made:
        if precision != "float32":
            program = _quantized(graph, program, precision, calibration, kept)
        made[precision, kept] = _delegated(program)
    return made[precision, kept]


def _constants_folded(graph: Exportable) -> ExportedProgram:
    """What no input reaches is worked out beforehand: a constant cannot be quantized by the range of the moment."""
    if graph not in _programs:
        from executorch.exir.passes.constant_prop_pass import constant_prop_pass

        args = tuple(graph.inputs.values())
        own = torch.export.export(exported_program(graph).module(check_guards=False), args)  # it works in place
        made = constant_prop_pass(own)
        for name, constant in made.constants.items():
            if isinstance(
                constant, torch.Tensor
            ):  # portable kernels refuse the strides that a transpose left, even of 1
                made.constants[name] = constant.clone(memory_format=torch.contiguous_format)
        _programs[graph] = torch.export.export(made.module(check_guards=False), args)
    return _programs[graph]


def _quantized(
    graph: Exportable, program: ExportedProgram, precision: str, calibration: Calibration, kept: Collection[str]
) -> ExportedProgram:
    from executorch.backends.transforms.duplicate_dynamic_quant_chain import DuplicateDynamicQuantChainPass
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    args = tuple(graph.inputs.values())
    quantizer = XNNPACKQuantizer()
    for operator in _LINEAR:
        quantizer.set_operator_type(operator, _config(dynamic=True))
    if precision == "int8-static":
        for operator in _CONVOLUTION:
            quantizer.set_operator_type(operator, _config(dynamic=False))
    quantizer.set_filter_function(lambda node: "nn_module_stack" not in node.meta or not inside(layer_of(node), kept))
    prepared = prepare_pt2e(program.module(check_guards=False), quantizer)
    prepared(*args)  # the weights are observed
    if precision == "int8-static" and _observers(prepared):
        ranges = calibration.ranges(NAME, graph.name, lambda feeds: _ranges(graph, program, feeds))
        _put_ranges(graph.name, prepared, ranges)
    converted = convert_pt2e(prepared)
    # Layers that share an input share the measuring of its range; XNNPACK's partitions would depend on each other.
    DuplicateDynamicQuantChainPass()(converted)
    return torch.export.export(converted, args)


def _config(*, dynamic: bool) -> "QuantizationConfig":
    """Weights int8 per channel; a static activation is observed by its least and greatest value."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
    from torchao.quantization.pt2e import MinMaxObserver

    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
    if dynamic:
        return config
    observer = MinMaxObserver.with_args(eps=_EPSILON)
    spec = replace(config.input_activation, observer_or_fake_quant_ctr=observer)
    return replace(config, input_activation=spec, output_activation=spec)


def _layers(graph: fx.Graph) -> dict[str, fx.Node]:
    """Every convolution by its key."""
    nodes = [node for node in graph.nodes if node.target in _CONVOLUTION]
    return dict(zip(layer_keys(map(layer_of, nodes)), nodes, strict=True))


def _ranges(graph: Exportable, program: ExportedProgram, feeds: Sequence[Feeds]) -> Ranges:
    """What goes in and out of each convolution over all feeds."""
    module = program.module(check_guards=False)
    layers = _layers(module.graph)
    watch = _Watch(module, {n for node in layers.values() for n in (node, node.args[0]) if isinstance(n, fx.Node)})
    for feed in feeds:
        watch.run(*(torch.from_numpy(feed[name]) for name in graph.inputs))
    found = {f"{key}.in": watch.seen[node.args[0]] for key, node in layers.items()}
    return found | {f"{key}.out": watch.seen[node] for key, node in layers.items()}


class _Watch(fx.Interpreter):
    """Runs a graph and keeps the range of some nodes."""

    def __init__(self, module: fx.GraphModule, nodes: set[fx.Node]) -> None:
        super().__init__(module)
        self._nodes = nodes
        self.seen: dict[Any, tuple[float, float]] = {}

    def run_node(self, n: fx.Node) -> Any:
        """See fx.Interpreter."""
        made = super().run_node(n)
        if n in self._nodes:
            low, high = self.seen.get(n, (math.inf, -math.inf))
            self.seen[n] = (min(low, float(made.min())), max(high, float(made.max())))
        return made


def _observers(prepared: fx.GraphModule) -> dict[Any, list[tuple[str, str]]]:
    """Each observer of static activations -> the layers (key, side) whose range it is to know.

    One observer may serve several places: what only moves values (a pooling, a transpose) shares that of its input.
    """
    from torchao.quantization.pt2e import MinMaxObserver

    keys = {node: key for key, node in _layers(prepared.graph).items()}
    found: dict[Any, list[tuple[str, str]]] = {}
    for node in prepared.graph.nodes:
        if node.op == "call_module" and type(observer := prepared.get_submodule(node.target)) is MinMaxObserver:
            source = node.args[0]
            sides = [(keys[user], "in") for user in node.users if user in keys]
            if source in keys:
                sides.append((keys[source], "out"))
            elif source.target == torch.ops.aten.relu.default and source.args[0] in keys:
                sides.append((keys[source.args[0]], "relu"))  # the quantizer makes it part of the convolution
            found.setdefault(observer, []).extend(sides)
    return found


def _put_ranges(graph: str, prepared: fx.GraphModule, ranges: Ranges) -> None:
    for observer, sides in _observers(prepared).items():
        bounds = [_bounds(graph, ranges, key, side) for key, side in sides]
        observer.min_val = torch.tensor(min(low for low, _ in bounds))
        observer.max_val = torch.tensor(max(high for _, high in bounds))


def _bounds(graph: str, ranges: Ranges, key: str, side: str) -> tuple[float, float]:
    if side == "relu":
        low, high = range_of(ranges, graph, key, "out")
        return max(low, 0.0), max(high, 0.0)
    return range_of(ranges, graph, key, side)


def _delegated(program: ExportedProgram) -> _Made:
    """The .pte, and a note of the operators that XNNPACK does not take."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    left = Counter(
        name
        for node in edge.exported_program().graph.nodes
        if node.op == "call_function" and (name := _operator(node)) is not None
    )
    parts = sum("executorch_call_delegate" in str(n.target) for n in edge.exported_program().graph.nodes)
    told = ", ".join(f"{name} x{count}" for name, count in sorted(left.items()))
    notes = (f"XNNPACK runs it in {parts} pieces; outside of it run: {told}",) if left else ()
    return bytes(edge.to_executorch().buffer), notes


def _operator(node: fx.Node) -> str | None:
    """The name of an operator that is left to portable kernels, e.g. ``aten.native_layer_norm``."""
    name = str(node.target)
    if "executorch_call_delegate" in name or "getitem" in name:
        return None
    found = _NAME.search(name)
    return found[1] if found else name
