"""Arm Ethos-U: an all-integer .tflite that Vela compiles; no operator may be left to the microcontroller's processor.

What accuracy is left is emulated by Arm's TOSA reference model, the operators that the NPU implements; where it lacks
one, simulated by LiteRT's kernels. Neither is the chip.
"""

from collections.abc import Mapping

from sensorium.bundle import Evidence, Stage, prove
from sensorium.errors import BackendError
from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.targets import Placement, Refused, TargetGraph, environment, vela
from sensorium_compile.targets.emulated import Emulation
from sensorium_compile.targets.graphs import decibels, exported, linted, version
from sensorium_compile.targets.npu_graph import IntegerGraph, NpuGraph, npu_graph, operators
from sensorium_compile.targets.placing import NO_WORK, Values, cost
from sensorium_compile.targets.source import Source
from sensorium_devices.targets import Operators, Target

BACKEND = "ethosu"
FORMS = ("int8", "int16")
ASIDE = False
HOST = "level"  # of a tower: what whoever quantizes its input does before
AROUND = ("QUANTIZE", "DELEGATE")  # between 8 and 16 bits; XNNPACK's, of the simulation
# What a converter makes of ONNX's operators; those of npu_form stand for what they are rewritten to.
TFLITE = {
    "Add": "ADD", "AveragePool": "AVERAGE_POOL_2D", "Clip": "RELU", "Concat": "CONCATENATION", "Conv": "CONV_2D",
    "Div": "DIV", "Elu": "ELU", "Exp": "EXP", "Flatten": "RESHAPE", "Gather": "SLICE", "Gelu": "TANH",
    "Gemm": "FULLY_CONNECTED", "GlobalAveragePool": "MEAN", "HardSwish": "HARD_SWISH", "LayerNormalization": "RSQRT",
    "LeakyRelu": "LEAKY_RELU", "Log": "LOG", "MatMul": "BATCH_MATMUL", "MaxPool": "MAX_POOL_2D", "Mul": "MUL",
    "Neg": "NEG", "PRelu": "PRELU", "Pad": "PAD", "ReduceMean": "MEAN", "ReduceSum": "SUM", "Relu": "RELU",
    "Reshape": "RESHAPE", "Sigmoid": "LOGISTIC", "Slice": "STRIDED_SLICE", "Softmax": "SOFTMAX", "Split": "SPLIT_V",
    "Squeeze": "RESHAPE", "Sub": "SUB", "Tanh": "TANH", "Transpose": "TRANSPOSE", "Unsqueeze": "RESHAPE",
}  # fmt: skip
PAIRS = {("Sqrt", "Reciprocal")}  # become one RSQRT


def reaches(target: Target) -> Stage:
    """Emulated, where Vela's environment was made, in which TOSA's tools are as well."""
    return "exported" if environment.missing(vela.NAME) else "emulated"


def missing(target: Target) -> str | None:
    """What makes the environment; then the chip alone."""
    return environment.missing(vela.NAME) or f"measured on a system with {target.title} alone"


def predict(source: Source, target: Target) -> Placement:
    """By Vela's table, of what a converter makes of each operator. Nothing is converted for it."""
    table = target.operator_set
    assert table is not None
    nodes = [n for n in source.model.graph.node if n.op_type not in NO_WORK and source.paths.get(n.name) != HOST]
    makes = {name: node.op_type for node in nodes for name in node.output}
    inverse = {n.input[0] for n in nodes if n.op_type == "Reciprocal"}
    refused: dict[int, Refused] = {}
    for place, node in enumerate(nodes):
        paired = (node.op_type == "Sqrt" and node.output[0] in inverse) or (
            node.op_type == "Reciprocal" and (makes.get(node.input[0]), "Reciprocal") in PAIRS
        )
        name = "RSQRT" if paired else TFLITE.get(node.op_type)
        if name is None or not table.takes(name):
            why = f"{table.tool} {table.version} leaves {name or f'what becomes of {node.op_type}'} to the processor"
            change = f"write it with {_near(table)}, or leave it to the host"
            refused[place] = Refused(node.op_type, source.layer(node), why, change, node.output[0])
    return Placement(len(nodes), tuple(refused.values()), cost(nodes, [*refused], Values.of(source.model)))


def lower(source: Source, target: Target, form: str) -> TargetGraph:
    """What Vela made; raises CompileError where an operator is left to the processor, with its layer."""
    graph = npu_graph(source, form)
    made = vela.compiled(graph.content, tuple(sorted(target.tool.options.items())))
    fell_back = tuple(
        Refused(one.operator, one.tensor.partition(":")[0], one.why, "write the layer with other operators")
        for one in made.left
    )
    if made.cpu:
        first = fell_back[0] if fell_back else "Vela does not say which"
        left = f"{made.cpu} operators are left to the processor"
        raise CompileError(f"graph {source.name} in {form}: {left}, first {first}")
    assert source.exportable is not None
    inputs, outputs = source.exportable.specs()

    def simulated() -> IntegerGraph:
        return IntegerGraph(graph.content, graph.host, inputs, outputs)

    def emulated() -> IntegerGraph:
        tosa = environment.emulator(vela.NAME, "tosa")
        reference = Emulation(source.name, graph.content, *tosa, environment.bare(), inputs, outputs)
        return IntegerGraph(graph.content, graph.host, inputs, outputs, reference.run)

    notes = [f"{source.name}: {note}" for note in graph.notes]
    evidence = _evidence(source, target, form, graph, made)
    answers = {case: simulated().run(feeds) for case, feeds in source.golden.items()}
    try:
        on_tosa = emulated()
        given = {case: on_tosa.run(feeds) for case, feeds in source.golden.items()}
        evidence, answers = (*evidence, _emulated(answers, given)), given
    except BackendError as err:
        notes.append(f"TOSA's reference model does not run it: {err}")
    on_chip = evidence[-1].stage == "emulated"
    draft = GraphDraft(
        model=made.content,
        suffix=".tflite",
        backend=BACKEND,
        precision=form,
        golden=source.golden,
        inputs=inputs,
        outputs=outputs,
        notes=tuple(notes),
        tools=("torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer"),
        evidence=evidence,
        answers=answers,
    )
    placed, ms = Placement(made.npu + made.cpu, fell_back), made.figures["estimated_ms"]
    if on_chip:
        return TargetGraph(draft, placed, emulated, "TOSA reference model", ms, slow=True)
    return TargetGraph(draft, placed, simulated, "LiteRT's integer kernels on this processor, a simulation", ms)


def _evidence(
    source: Source, target: Target, form: str, graph: NpuGraph, made: vela.VelaOutput
) -> tuple[Evidence, ...]:
    told = {"graph": source.name, "operators": [op for op in operators(graph.content) if op not in AROUND]}
    options = " ".join(f"--{name} {value}" for name, value in sorted(target.tool.options.items()))
    figures = {**made.figures, "npu_operators": float(made.npu), "cpu_operators": float(made.cpu)}
    tool = environment.installed(vela.NAME, vela.PACKAGE)
    return (
        exported(source, graph.content, f"npu_form, litert-torch {version('litert-torch')}, ai-edge-quantizer {form}"),
        linted(f"sensorium_compile.targets.ethos for {target}", told),
        prove("compiled", "vela", tool, f"vela --config {vela.CONFIG} {options}", made.content, figures=figures),
    )


def _emulated(simulated: Mapping[str, Mapping[str, Array]], given: Mapping[str, Mapping[str, Array]]) -> Evidence:
    """What the reference model gave, and how near to it LiteRT's kernels are."""
    out = b"".join(value.tobytes() for case in given.values() for value in case.values())
    tool, figures = environment.installed(vela.NAME, "tosa-tools"), {"litert_db": round(decibels(given, simulated), 1)}
    return prove("emulated", "tosa-tools", tool, "program.py tosa: tosa_reference_model.run", out, figures=figures)


def _near(table: Operators) -> str:
    return ", ".join(name for name in ("MUL", "DIV", "RSQRT", "TANH", "EXP", "LOG") if table.takes(name))
