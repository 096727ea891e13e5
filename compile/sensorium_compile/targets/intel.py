"""Intel by OpenVINO: one static IR for its processors, where it is measured, and for its NPU, where it is linted.

The NPU's compiler comes with its driver, so there the IR is compiled, and kept by OpenVINO's cache, where it is first
loaded. It takes all of a graph or nothing.
"""

import re
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from sensorium.backends import Graph
from sensorium.bundle import Evidence, Stage, prove
from sensorium.host import Host
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import zip_of
from sensorium_compile.targets import Placement, Refused, TargetGraph
from sensorium_compile.targets.graphs import exported, linted, opener, signature, version
from sensorium_compile.targets.source import Source
from sensorium_devices.targets import Target

BACKEND, NPU_BACKEND = "openvino", "openvino_npu"
FORMS = ("int8", "float16", "float32")
ASIDE = False
RUNS, WARM_UP = 30, 5
NS_PER_MS = 1e6
MOST_LEFT = 8  # layers in float before int8 is given up; each costs compiling the graph once more
_LACKING = re.compile(r"No conversion rule found for operations: .*")
_COUNTED = re.compile(r"_\d{3,}$")
_NODE = re.compile(r"\b(node_\w+)")  # torch's exporter names nodes so, and OpenVINO's messages tell the name
NOT_WORK = ("Constant", "Parameter", "Result", "Convert")


def reaches(target: Target) -> Stage:
    """Measured on an Intel processor, compiled on another; of the NPU linted."""
    if find_spec("openvino") is None:
        return "exported"
    if _device(target) == "NPU":
        return "linted"
    return "measured" if target.is_here else "compiled"


def missing(target: Target) -> str | None:
    """What keeps it at linted, or which package is missing."""
    if find_spec("openvino") is None:
        return "pip install openvino"
    if _device(target) == "NPU":
        return "the NPU's compiler comes with its driver: open the bundle on an Intel Core Ultra"
    return None if target.is_here else f"measured on a machine that is {target.host} alone; this is {Host.here()}"


def predict(source: Source, target: Target) -> Placement:
    """By the operators that the front end of the NPU's compiler reads; for the processor OpenVINO is asked."""
    model = _folded(source)
    works = [op for op in model.get_ops() if op.get_type_name() not in NOT_WORK]
    operators = target.operator_set
    layers = {node.name: source.layer(node) for node in source.model.graph.node}
    layers |= {out: source.layer(node) for node in source.model.graph.node for out in node.output}
    taken = set(_core().query_model(model, _device(target))) if operators is None else set()

    def refusal(op: Any) -> tuple[str, str] | None:
        kind = op.get_type_name()
        if (operators is None and op.get_friendly_name() not in taken) or (operators and not operators.takes(kind)):
            told = "write the layer with other operators, or leave this target out"
            return f"{target.tool.name} does not take it on {_device(target)}", told
        if any(out.get_partial_shape().is_dynamic for out in op.outputs()):
            return "its shape is not fixed", "give every input a fixed shape, and avoid what depends on values"
        return None

    refused = [
        Refused(op.get_type_name(), layers.get(op.get_friendly_name(), op.get_friendly_name()), *told, node=_first(op))
        for op in works
        if (told := refusal(op)) is not None
    ]
    refused.sort(key=lambda one: "shape" in one.why)  # an operator that is lacking explains more
    return Placement(len(works), tuple(refused), f"{len(refused)} of {len(works)} operators" if refused else "")


def lower(source: Source, target: Target, form: str) -> TargetGraph:
    """The IR; for a processor compiled, and measured where this is one."""
    content, left = _that_opens(source, form)
    inputs, outputs = signature(source.model)
    draft = GraphDraft(
        model=content,
        suffix=".ir.zip",
        backend=BACKEND,
        precision=form,
        golden=source.golden,
        inputs=inputs,
        outputs=outputs,
        notes=(f"OpenVINO cannot take these in int8, they stay in float: {', '.join(left)}",) if left else (),
        tools=("openvino", *(("torch", "onnxscript") if source.exportable is not None else ())),
        evidence=(
            exported(source, content, f"openvino.save_model in {form}"),
            linted(f"sensorium_compile.targets.intel for {target}", {"graph": source.name, "form": form}),
        ),
    )
    graph = opener(source.name, _uncompressed(source, draft) if form == "float16" else draft)
    by = f"OpenVINO {version('openvino')} on this processor"
    if _device(target) != "CPU":
        opened = graph()
        answers = {case: opened.run(feeds) for case, feeds in draft.golden.items()}
        draft = replace(draft, backend=NPU_BACKEND, answers=answers)
        return TargetGraph(draft, None, graph, f"{by}, a simulation")
    placed = _placed(content)
    draft = replace(draft, evidence=(*draft.evidence, *_compiled(target, draft, graph(), placed)))
    return TargetGraph(draft, placed, graph, by)


def _uncompressed(source: Source, draft: GraphDraft) -> GraphDraft:
    """The same weights, rounded to float16, in float32, to be run here.

    OpenVINO 2026.4.1 computes in place on constants that are compressed to float16 where a processor executes them: the
    first run is right, all others are not.
    """
    model = onnx.ModelProto.FromString(source.model.SerializeToString())
    for constant in model.graph.initializer:
        if constant.data_type == onnx.TensorProto.FLOAT:
            rounded = numpy_helper.to_array(constant).astype(np.float16).astype(np.float32)
            constant.CopyFrom(numpy_helper.from_array(rounded, constant.name))
    return replace(draft, model=_ir(replace(source, model=model), "float32", ()))


def _compiled(target: Target, draft: GraphDraft, graph: Graph, placed: Placement) -> tuple[Evidence, ...]:
    """That it compiled; that it was measured too, where this machine is the target."""
    feeds = next(iter(draft.golden.values()))
    tool, command = version("openvino"), f"openvino.Core().compile_model(model, {_device(target)!r})"
    out = b"".join(value.tobytes() for value in graph.run(feeds).values())
    made = (prove("compiled", "openvino", tool, command, out, figures={"operators": placed.operators}),)
    if not target.is_here:
        return made
    times = []
    for done in range(WARM_UP + RUNS):
        begun = perf_counter_ns()
        graph.run(feeds)
        times += [perf_counter_ns() - begun] if done >= WARM_UP else []
    measured = prove(
        "measured", "openvino", tool, command, out, machine=str(Host.here()), figures={"ms": median(times) / NS_PER_MS}
    )
    return (*made, measured)


def _that_opens(source: Source, form: str) -> tuple[bytes, tuple[str, ...]]:
    """The IR, and the layers that OpenVINO's own passes cannot take in int8, which stay in float."""
    left: tuple[str, ...] = ()
    while True:
        content = _ir(source, form, left)
        try:
            model, _weights = _backend().read_ir(_core(), content)
            _core().compile_model(model, "CPU")
        except Exception as err:  # OpenVINO's exceptions share no base class of their own
            culprit = next((p for name in _NODE.findall(str(err)) if (p := source.paths.get(name))), None)
            if form != "int8" or culprit is None or culprit in left or len(left) == MOST_LEFT:
                raise CompileError(f"graph {source.name}: OpenVINO refuses it in {form}: {_last_line(err)}") from err
            left = (*left, culprit)
        else:
            return content, left


def _ir(source: Source, form: str, left: tuple[str, ...]) -> bytes:
    """Both files of the IR in one, which the backend opens."""
    model = _read(source, _quantized(source, left) if form == "int8" else source.model.SerializeToString())
    if model.is_dynamic():
        raise CompileError(f"graph {source.name}: a shape is not fixed; give every input one")
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.save_model(model, path, compress_to_fp16=form == "float16")
        return zip_of({one.name: one.read_bytes() for one in (path, path.with_suffix(".bin"))})


def _quantized(source: Source, left: tuple[str, ...]) -> bytes:
    if source.ranges is None:
        raise CompileError(
            f"graph {source.name}: no ranges were recorded, so it has no int8 form; give the data folder"
        )
    from sensorium_compile.lower.onnx_export import OnnxExport
    from sensorium_compile.lower.onnx_static import CONVOLUTION, LINEAR, quantize_static, weighted_nodes

    export = OnnxExport(source.model, source.paths)
    chosen = weighted_nodes(export, (*LINEAR, *CONVOLUTION), (*source.float_paths, *left))
    return bytes(quantize_static(source.name, export, source.model, source.ranges, chosen).SerializeToString())


def _placed(content: bytes) -> Placement:
    """What the plugin made of it: fewer operators, all on the processor."""
    model, _weights = _backend().read_ir(_core(), content)
    compiled = _core().compile_model(model, "CPU")
    return Placement(sum(op.get_type_name() not in NOT_WORK for op in compiled.get_runtime_model().get_ops()))


def _folded(source: Source) -> Any:
    """The float graph as a compiler sees it: with what is constant computed."""
    model = _read(source, source.model.SerializeToString())
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    return model


def _read(source: Source, content: bytes) -> Any:
    try:
        model = _core().read_model(content)
    except Exception as err:  # OpenVINO's exceptions share no base class of their own
        lacking = set(re.findall(r"\b([A-Za-z]\w*)-\d+", (_LACKING.search(str(err)) or [""])[0]))
        where = [f"{n.op_type} in {source.layer(n)}" for n in source.model.graph.node if n.op_type in lacking]
        if where:
            raise CompileError(
                f"graph {source.name} cannot go to OpenVINO, which has no operator {where[0]}; "
                "write the layer with other operators, or leave this target out"
            ) from err
        raise CompileError(f"graph {source.name}: OpenVINO cannot read it: {_last_line(err)}") from err
    for place, op in enumerate(model.get_ordered_ops()):  # OpenVINO counts on through a process
        if _COUNTED.search(op.get_friendly_name()):
            op.set_friendly_name(f"{op.get_type_name()}_at_{place}")
    return model


def _first(op: Any) -> str:
    return str(op.get_friendly_name())


def _last_line(err: Exception) -> str:
    return next((line.strip() for line in reversed(str(err).splitlines()) if line.strip()), type(err).__name__)


def _core() -> Any:
    return _backend().ov.Core()


def _backend() -> Any:
    from sensorium.backends import openvino as backend  # imports it without its telemetry

    return backend


def _device(target: Target) -> str:
    return target.tool.options["device"]
