"""NVIDIA Jetson: strongly typed ONNX, which TensorRT compiles where it is first loaded; linted here.

The form in int8 ships with the one in float16 beside it: ``sensorium.first_load`` keeps the faster on the device.
"""

from dataclasses import replace

from sensorium.backends import Graph
from sensorium.bundle import Stage
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.targets import Placement, TargetGraph
from sensorium_compile.targets.graphs import SIMULATION, cosine, exported, linted, opener, signature
from sensorium_compile.targets.placing import place
from sensorium_compile.targets.source import Source
from sensorium_compile.targets.trt_graph import quantized, typed
from sensorium_compile.targets.trt_lint import check
from sensorium_devices.targets import Target

BACKEND = "tensorrt"
FORMS = ("int8", "float16")
LEAST_COSINE = 0.99
ASIDE = True  # forms ship side by side: which is the faster, only the device can tell


def reaches(target: Target) -> Stage:
    """Linted: only the device has its compiler."""
    return "linted"


def missing(target: Target) -> str | None:
    """What keeps it at linted."""
    return f"TensorRT compiles on the device alone: open the bundle there, on {target.title}"


def predict(source: Source, target: Target) -> Placement:
    """By the table of TensorRT's parser."""
    return place(source, target)


def lower(source: Source, target: Target, form: str) -> TargetGraph:
    """The typed graph, linted."""
    model = typed(source, form)
    check(model, target)
    content = bytes(model.SerializeToString(deterministic=True))
    inputs, outputs = signature(model)
    rules = f"sensorium_compile.targets.trt_lint for {target}"
    looked_at = {"graph": source.name, "nodes": [node.op_type for node in model.graph.node], "faults": []}
    draft = GraphDraft(
        model=content,
        backend=BACKEND,
        precision=form,
        golden=source.golden,
        inputs=inputs,
        outputs=outputs,
        notes=(f"{form}, by hand: {trtexec(source.name, form)}",),
        tools=("torch", "onnxscript") if source.exportable is not None else (),
        evidence=(exported(source, content, f"typed in {form}"), linted(rules, looked_at)),
    )
    if form != "int8":
        return TargetGraph(draft, None, opener(source.name, draft), SIMULATION)
    # Processors have no float16 kernels for Q/DQ: the same graph is 10 times as fast with the rest of it in float32.
    quick = replace(draft, model=bytes(quantized(source).SerializeToString()), backend="onnxruntime")
    _check_alike(source, opener(source.name, draft)(), opener(source.name, quick)())
    return TargetGraph(draft, None, opener(source.name, quick), f"{SIMULATION}, int8 with the rest in float32")


def _check_alike(source: Source, typed_one: Graph, quick: Graph) -> None:
    """Raise CompileError where what float16 rounds changes the int8 graph."""
    for case, feeds in source.golden.items():
        wanted, given = quick.run(feeds), typed_one.run(feeds)
        for name, value in wanted.items():
            if (found := cosine(value, given[name])) < LEAST_COSINE:
                raise CompileError(
                    f"graph {source.name}: float16 around its int8 layers changes {name} on golden input {case}: "
                    f"cosine {found:.3f}, at least {LEAST_COSINE}"
                )


def trtexec(name: str, form: str) -> str:
    """The command line that builds the same engine without us."""
    return f"trtexec --onnx={name}.onnx --stronglyTyped --builderOptimizationLevel=5 --saveEngine={name}.{form}.engine"
