"""The face detector: CenterFace as published, on uint8 pixels of one size, without the landmarks.

Where a privacy policy has faces blurred, a face that is missed leaves sharp, so recall is what counts. Found on 96 COCO
photos with people, long side 416: the share of 189 faces of which the mosaic hides four fifths, by their height in the
graph's input. The faces are those that the same graph finds, with a score of 0.5, at twice that size: this is what the
smaller input loses. What is left in the 96 results was looked through by eye: heads under 12 pixels, no face that one
would know somebody by. Times are in units of BlazeFace's:

    |                             | under 12 | 12 to 24 | from 24 pixels | time |
    | 416 pixels, 0.2, as shipped | .81      | .98      | 1.00           |  8   |
    | 416 pixels, 0.3             | .56      | .97      | 1.00           |  8   |
    | 320 pixels, 0.2             | .31      | .87      | 1.00           |  5   |
    | BlazeFace 256               | .56      | .56      |  .93           |  1   |
    | BlazeFace 256, 5 tiles      | .81      | .93      | 1.00           |  5   |

416 pixels take 20 ms on one thread of an idle Intel Xeon, up to 70 on a busy one. As shipped, 3.6% of these pictures
are hidden; BlazeFace's tiles find five times as many boxes.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper

from sensorium.samples import Array
from sensorium_compile.convert import parity
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.zoo import Weights

MODEL = "centerface"
SIZE = 416
THRESHOLD = 0.2
INPUT = "input.1"
OUTPUTS = {"score": "537", "size": "538", "offset": "539"}  # the landmarks are 540
CHANNELS = {"score": 1, "size": 2, "offset": 2}
ERROR = 1e-3  # allowed: logarithms of sizes, offsets, scores; seen 1.1e-5


def build(weights: Weights) -> PartDraft:
    """Fix the size, take uint8 pixels, and compare with the graph as published on the same picture."""
    original = onnx.load_model_from_string(weights.path(MODEL).read_bytes())
    model = fixed(original)
    picture = {"pixels": parity.pattern(SIZE)[None]}  # (1, size, size, 3)
    said = parity.run(model, picture)
    expected = _published(original, picture["pixels"])
    error = max(
        parity.check_error(f"the face detector's {name}", said[name], expected[name], ERROR) for name in OUTPUTS
    )
    return PartDraft(
        role="faces",
        graphs={"model": GraphDraft(model.SerializeToString(deterministic=True), golden={"pattern": picture})},
        config={"size": SIZE, "threshold": THRESHOLD},
        origins=(weights.origin(MODEL),),
        figures={"error_to_original": error},
    )


def fixed(original: onnx.ModelProto) -> onnx.ModelProto:
    """The graph on ``pixels``, uint8 (1, size, size, 3) RGB, with named outputs; raises CompileError for another."""
    graph = original.graph
    made = {output for node in graph.node for output in node.output}
    if INPUT not in {value.name for value in graph.input} or not set(OUTPUTS.values()) <= made:
        raise CompileError(
            f"{MODEL} is not the graph it was: no input {INPUT} or outputs {', '.join(OUTPUTS.values())}"
        )
    into = [
        helper.make_node("Cast", ["pixels"], ["pixels_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels_float"], [INPUT], perm=[0, 3, 1, 2]),
    ]
    out = [helper.make_node("Identity", [old], [new]) for new, old in OUTPUTS.items()]
    nodes = _needed([*into, *graph.node, *out], set(OUTPUTS))
    used = {name for node in nodes for name in node.input}
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, SIZE, SIZE, 3])
    cells = SIZE // 4
    told = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, cells, cells])
        for name, count in CHANNELS.items()
    ]
    constants = [constant for constant in graph.initializer if constant.name in used]
    named = helper.make_graph(nodes, MODEL, [pixels], told, constants)
    model = helper.make_model(named, opset_imports=original.opset_import, ir_version=original.ir_version)
    onnx.checker.check_model(model)
    return model


def _needed(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that these values are computed from, in order."""
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            kept.insert(0, node)
            wanted = wanted | set(node.input)
    return kept


def _published(original: onnx.ModelProto, pixels: Array) -> Mapping[str, Array]:
    """What the published graph says; its own sizes are those of an example and stand for any."""
    free = onnx.ModelProto.FromString(original.SerializeToString())
    for value in (*(v for v in free.graph.input if v.name == INPUT), *free.graph.output):
        for i, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}_{i}"
    said = parity.run(free, {INPUT: pixels.astype(np.float32).transpose(0, 3, 1, 2)})
    return {new: said[old] for new, old in OUTPUTS.items()}
