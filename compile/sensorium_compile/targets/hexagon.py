"""Qualcomm Hexagon: an ONNX graph compiled to one context binary, which runs on the emulated HTP of this machine.

The QNN provider is in an environment of its own, and so are its compiler and its emulator: see ``environment``. An
answer takes seconds, so a form is judged on few examples.
"""

import json
import math
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import onnx
import onnxruntime as ort

from sensorium.backends import Graph
from sensorium.bundle import Evidence, Stage, prove
from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.targets import Placement, Refused, TargetGraph, environment
from sensorium_compile.targets.emulated import Emulation
from sensorium_compile.targets.graphs import decibels, exported, linted, signature
from sensorium_compile.targets.placing import NO_WORK, place
from sensorium_compile.targets.qnn_graph import ACTIVATIONS, quantized
from sensorium_compile.targets.source import Source
from sensorium_devices.targets import Target

BACKEND, NAME, PACKAGE = "qnn", "hexagon", "onnxruntime-qnn"
FORMS = ("int8", "int16", "float16")
ASIDE = False
CONTEXT = "EPContext"
AT_THE_EDGE = ("QuantizeLinear", "DequantizeLinear")  # of inputs and outputs: the processor does it
GAP_DB = 6.0  # twice the error: what HTP may be below a simulation before it is told


def reaches(target: Target) -> Stage:
    """Emulated, where the tool's environment was made."""
    return "exported" if environment.missing(NAME) else "emulated"


def missing(target: Target) -> str | None:
    """What makes the environment; then the chip alone."""
    return environment.missing(NAME) or f"measured on {target.title} alone"


def predict(source: Source, target: Target) -> Placement:
    """By the operators for which the provider has a builder."""
    return place(source, target)


def lower(source: Source, target: Target, form: str) -> TargetGraph:
    """The context binary in its .onnx, and what the emulated HTP answers to the golden inputs.

    Raises CompileError where a node is left out of the one context, with its layer.
    """
    model = quantized(source, form)
    content = bytes(model.SerializeToString(deterministic=True))
    context = _compiled(content, json.dumps(target.tool.options, sort_keys=True))
    placed = placement(source, onnx.ModelProto.FromString(context))
    if placed.fell_back or placed.cost:
        left = [f"{len(placed.fell_back)} operators fell back, first {placed.fell_back[0]}"] if placed.fell_back else []
        told = "; ".join([*left, placed.cost])
        raise CompileError(f"graph {source.name} in {form} is not one context for {target}: {told}")
    inputs, outputs = signature(source.model)

    def opened() -> Graph:
        made = environment.emulator(NAME, "qnn")
        return Emulation(source.name, context, *made, environment.with_runtime(), inputs, outputs)

    graph = opened()
    answers = {case: graph.run(feeds) for case, feeds in source.golden.items()}
    evidence = _evidence(source, target, form, content, context, placed, answers)
    figures = evidence[-1].figures
    gap = figures.get("simulated_db", -math.inf) - figures["emulated_db"]
    draft = GraphDraft(
        model=context,
        backend=BACKEND,
        precision=form,
        golden=source.golden,
        inputs=inputs,
        outputs=outputs,
        notes=(_gap(source, form, figures),) if gap > GAP_DB else (),
        tools=("torch", "onnxscript") if source.exportable is not None else (),
        evidence=evidence,
        answers=answers,
    )
    return TargetGraph(draft, placed, opened, "HTP emulation", slow=True)


def placement(source: Source, compiled: onnx.ModelProto) -> Placement:
    """What the provider did: nodes that stand beside a context run on the processor."""
    nodes = compiled.graph.node
    fell_back = tuple(
        Refused(
            node.op_type,
            source.layer(node),
            "HTP does not take it as it is quantized",
            "leave its layer in float (float_only), or write it with other operators",
            node.output[0],
        )
        for node in nodes
        if node.op_type not in (CONTEXT, *AT_THE_EDGE)
    )
    contexts = sum(node.op_type == CONTEXT for node in nodes)
    cost = f"{contexts} contexts, and tensors handed over between them" if contexts > 1 else ""
    return Placement(sum(node.op_type not in NO_WORK for node in source.model.graph.node), fell_back, cost)


def _evidence(
    source: Source,
    target: Target,
    form: str,
    content: bytes,
    context: bytes,
    placed: Placement,
    answers: Mapping[str, Mapping[str, Array]],
) -> tuple[Evidence, ...]:
    tool, options = environment.installed(NAME, PACKAGE), target.tool.options
    exact = _simulated(source.model.SerializeToString(), source)
    figures = {"emulated_db": round(decibels(exact, answers), 1)}
    if form in ACTIVATIONS:  # a simulation on this processor has no float16
        figures["simulated_db"] = round(decibels(exact, _simulated(content, source)), 1)
    out = b"".join(value.tobytes() for case in answers.values() for value in case.values())
    compiled = {"operators": float(placed.operators), "fell_back": 0.0, "bytes": float(len(context))}
    return (
        exported(source, content, f"get_qnn_qdq_config, QDQQuantizer in {form}"),
        linted(f"sensorium_compile.targets.placing for {target}", {"graph": source.name, "form": form}),
        prove(
            "compiled", PACKAGE, tool, f"program.py compile-qnn with {json.dumps(options)}", context, figures=compiled
        ),
        prove("emulated", PACKAGE, tool, "program.py qnn: libQnnHtp.so on x86-64", out, figures=figures),
    )


def _simulated(model: bytes, source: Source) -> dict[str, dict[str, Array]]:
    """What ONNX Runtime gives for the same graph on this processor."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {
        case: dict(zip(names, session.run(names, dict(feeds)), strict=True)) for case, feeds in source.golden.items()
    }


def _gap(source: Source, form: str, told: Mapping[str, float]) -> str:
    return (
        f"{source.name} in {form}: HTP's answers are {told['emulated_db']} dB above their error, "
        f"where a simulation on the processor promises {told['simulated_db']} dB"
    )


@cache
def _compiled(model: bytes, options: str) -> bytes:
    """The context binary; remembered, for several chips take the same graphs."""
    with tempfile.TemporaryDirectory() as scratch:
        given, made, told = (Path(scratch) / name for name in ("model.onnx", "context.onnx", "options.json"))
        given.write_bytes(model)
        told.write_text(options, encoding="utf-8")
        done = subprocess.run(
            [*environment.python(NAME), "compile-qnn", given, made, told],
            env=environment.with_runtime(),
            capture_output=True,
            check=False,
        )
        if done.returncode or not made.is_file():
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise CompileError(f"QNN does not compile it: {lines[-1] if lines else 'it says nothing'}")
        return made.read_bytes()
