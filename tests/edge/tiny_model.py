"""A trained model small enough to follow by hand: what is red, green or blue, by sight, by hearing, by touch, by word.

A picture tells its mean colour, a loud sound is blue, a reading of three values is a colour, and so is a word of the
vocabulary. Each sense's token is a colour (1, 1, 3); fusion adds four times the colours that are present to a prior.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sensorium.bundle import FileEntry, GraphEntry, Manifest, PartEntry, TensorSpec
from sensorium.bundle.loaded import MANIFEST
from sensorium.samples import Array

LABELS = ("red", "green", "blue")
PRIOR = (0.1, 0.0, -0.1)
GAIN = 4.0
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "green", "blue", "what", "colour")
SIZE, SAMPLES, TOKENS = 8, 8000, 6
MODALITIES: dict[str, dict[str, Any]] = {
    "vision": {"kind": "image", "height": SIZE, "width": SIZE},
    "audio": {"kind": "sound", "samples": SAMPLES},
    "text": {"kind": "text", "tokens": TOKENS},
    "touch": {"kind": "readings", "channels": 3, "window": 2, "period_ms": 50},
}
SHAPES = {"vision": (1, 3, SIZE, SIZE), "audio": (1, SAMPLES), "text": (1, TOKENS), "touch": (1, 2, 3)}


def write_bundle(
    folder: Path,
    modalities: Sequence[str] = ("vision", "audio"),
    broken: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    small: bool = False,
    ladder: Mapping[str, Any] | None = None,
    any_batch: bool = False,
) -> Path:
    """A bundle of a model of these modalities; ``broken``: graph -> ``raises`` (on what is bright) or ``nan``.

    ``small``: with a variant that takes pictures of another size and sees colours half as strong.
    ``any_batch``: its graphs take any number of samples at once.
    """
    broken = broken or {}
    entries, files = {}, {}
    for name in (*modalities, "fusion"):
        file = f"colours/{name}.onnx"
        graph = _fusion(modalities) if name == "fusion" else _encoder(name)
        _spoil(graph, broken.get(name, ""))
        for value in (*graph.input, *graph.output) if any_batch else ():
            value.type.tensor_type.shape.dim[0].dim_param = "rows"
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        files[file] = bytes(model.SerializeToString(deterministic=True))
        entries[name] = GraphEntry(
            file=file, backend="onnxruntime", inputs=_specs(graph.input), outputs=_specs(graph.output)
        )
    files["colours/vocabulary.txt"] = "\n".join(VOCABULARY).encode()
    told = {"modalities": {m: MODALITIES[m] for m in modalities}, "heads": {"colour": {"labels": LABELS}}}
    part = PartEntry(
        role="model",
        graphs=entries,
        files={"vocabulary": "colours/vocabulary.txt"},
        config={**_with_kind(told), **(config or {})},
    )
    parts = {"colours": part}
    if small:
        inputs = {"vision": {**MODALITIES["vision"], "height": SIZE + 4}}
        graph = _encoder("vision", (1, 3, SIZE + 4, SIZE), 0.5)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        files["model-small/vision.onnx"] = bytes(model.SerializeToString(deterministic=True))
        own = {"file": "model-small/vision.onnx", "inputs": _specs(graph.input)}
        parts["model-small"] = part.model_copy(
            update={
                "role": "variant",
                "graphs": {**entries, "vision": entries["vision"].model_copy(update=own)},
                "config": {**part.config, "modalities": {**told["modalities"], **inputs}},
            }
        )
    if ladder is not None:
        parts["ladder"] = PartEntry(role="ladder", config=dict(ladder))
    hashes = {n: FileEntry(sha256=hashlib.sha256(c).hexdigest(), size=len(c)) for n, c in files.items()}
    manifest = Manifest(name="colours", target="any", parts=parts, files=hashes)
    for name, content in {**files, MANIFEST: manifest.model_dump_json().encode()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _with_kind(config: dict[str, Any]) -> dict[str, Any]:
    heads = {name: {"kind": "classes", "labels": list(head["labels"])} for name, head in config["heads"].items()}
    return {**config, "heads": heads}


def _encoder(name: str, shape: tuple[int, ...] | None = None, strength: float = 1.0) -> onnx.GraphProto:
    dtype = TensorProto.INT64 if name == "text" else TensorProto.FLOAT
    nodes, constants = {"vision": _look, "audio": _listen, "text": _read, "touch": _feel}[name]()
    weaken = helper.make_node("Mul", ["colour", "strength"], ["seen"])
    return helper.make_graph(
        [*nodes, weaken, helper.make_node("Reshape", ["seen", "shape"], ["tokens"])],
        name,
        [helper.make_tensor_value_info("sample", dtype, shape or SHAPES[name])],
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, (1, 1, 3))],
        [*constants, _const("shape", np.array([-1, 1, 3])), _const("strength", np.float32(strength))],
    )


_Nodes = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _look() -> _Nodes:
    nodes = [
        helper.make_node("ReduceMean", ["sample", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["colour"]),
    ]
    return nodes, [_const("axes", np.array([2, 3])), _const("full", np.float32(255))]


def _listen() -> _Nodes:
    nodes = [
        helper.make_node("Abs", ["sample"], ["level"]),
        helper.make_node("ReduceMax", ["level", "axes"], ["loudest"], keepdims=1),
        helper.make_node("MatMul", ["loudest", "blue"], ["colour"]),
    ]
    return nodes, [_const("axes", np.array([1])), _const("blue", np.array([[0, 0, 2]], np.float32))]


def _read() -> _Nodes:
    words = np.zeros((len(VOCABULARY), 3), np.float32)
    words[[VOCABULARY.index(label) for label in LABELS], range(3)] = 1
    nodes = [
        helper.make_node("Gather", ["words", "sample"], ["known"]),  # (1, tokens, 3)
        helper.make_node("ReduceMax", ["known", "axes"], ["colour"], keepdims=0),
    ]
    return nodes, [_const("words", words), _const("axes", np.array([1]))]


def _feel() -> _Nodes:
    return [helper.make_node("ReduceMean", ["sample", "axes"], ["colour"], keepdims=0)], [_const("axes", np.array([1]))]


def _fusion(modalities: Sequence[str]) -> onnx.GraphProto:
    nodes, addends = [], ["prior"]
    for name in modalities:
        nodes += [
            helper.make_node("Gather", ["presence", f"place_{name}"], [f"there_{name}"], axis=1),  # (1, 1)
            helper.make_node("Reshape", [name, "flat"], [f"flat_{name}"]),
            helper.make_node("Mul", [f"flat_{name}", f"there_{name}"], [f"own_{name}"]),
            helper.make_node("Mul", [f"own_{name}", "gain"], [f"logits_{name}"]),
        ]
        addends.append(f"logits_{name}")
    nodes.append(helper.make_node("Sum", addends, ["colour"]))
    places = [_const(f"place_{name}", np.array([i])) for i, name in enumerate(modalities)]
    presence = helper.make_tensor_value_info("presence", TensorProto.FLOAT, (1, len(modalities)))
    return helper.make_graph(
        nodes,
        "fusion",
        [*(helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, 3)) for name in modalities), presence],
        [helper.make_tensor_value_info("colour", TensorProto.FLOAT, (1, 3))],
        [
            *places,
            _const("flat", np.array([-1, 3])),
            _const("gain", np.float32(GAIN)),
            _const("prior", np.array([PRIOR], np.float32)),
        ],
    )


def _spoil(graph: onnx.GraphProto, how: str) -> None:
    """Have the graph fail while it runs, or give NaN."""
    if not how:
        return
    last = graph.node[-1]
    out, last.output[0] = last.output[0], "sound"
    if how == "nan":
        graph.initializer.append(_const("not_a_number", np.float32("nan")))
        graph.node.append(helper.make_node("Add", ["sound", "not_a_number"], [out]))
        return
    # A row that is not there, except where the tokens are all zero.
    graph.initializer.extend([_const("rows", np.zeros((1, 3), np.float32)), _const("many", np.float32(1000))])
    graph.node.extend(
        [
            helper.make_node("Mul", ["sound", "many"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["row"], to=TensorProto.INT64),
            helper.make_node("Gather", ["rows", "row"], ["rows_found"]),
            helper.make_node("ReduceSum", ["rows_found"], ["nothing"], keepdims=0),
            helper.make_node("Add", ["sound", "nothing"], [out]),
        ]
    )


def _const(name: str, value: Array | np.generic) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def _specs(values: Sequence[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=v.name,
            dtype="int64" if v.type.tensor_type.elem_type == TensorProto.INT64 else "float32",
            shape=tuple(d.dim_value or -1 for d in v.type.tensor_type.shape.dim),
        )
        for v in values
    )
