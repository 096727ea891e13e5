"""Records the least and greatest value of each tensor of a converted graph over photos, for quantize.py.

    python record_ranges.py GRAPH.onnx SIZE FIT OUT.json PHOTO...

GRAPH.onnx is the float graph, SIZE the side of its input; FIT is ``letterbox`` or ``crop``.
The recorded ranges were read from photos of COCO (CC BY ones) and Caltech 101; only the ranges are kept.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort

from sensorium.images import Image, centre_crop, letterbox, resize


def fit(image: Image, size: int, how: str) -> Image:
    """The image as the component gives it to its graph."""
    if how == "letterbox":
        return letterbox(image, size, 0).image
    return resize(centre_crop(image, size / (size + 32)), size, size)


def watched(model: onnx.ModelProto) -> ort.InferenceSession:
    """A session whose outputs are the least and greatest value of every float tensor."""
    typed = {v.name: v.type.tensor_type.elem_type for v in [*model.graph.value_info, *model.graph.output]}
    names = [n for n, kind in typed.items() if kind == onnx.TensorProto.FLOAT]
    del model.graph.output[:]
    for name in names:
        for op in ("ReduceMin", "ReduceMax"):
            made = f"{name}/{op}"
            model.graph.node.append(onnx.helper.make_node(op, [name], [made], keepdims=0))
            model.graph.output.append(onnx.helper.make_tensor_value_info(made, onnx.TensorProto.FLOAT, []))
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def main(graph: str, size: str, how: str, out: str, *photos: str) -> None:
    """Write OUT.json: tensor -> [least, greatest]."""
    session = watched(onnx.load(graph))
    names = [o.name for o in session.get_outputs()]
    seen = []
    for photo in photos:
        image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
        seen.append(session.run(names, {"pixels": fit(image, int(size), how)[None]}))
    table = np.array(seen, np.float64)  # (photos, 2 * tensors)
    low, high = table[:, ::2].min(axis=0), table[:, 1::2].max(axis=0)
    lines = [
        f"{json.dumps(name.rpartition('/')[0])}: [{a:.6g}, {b:.6g}]"
        for name, a, b in zip(names[::2], low, high, strict=True)
    ]
    Path(out).write_text("{\n" + ",\n".join(sorted(lines)) + "\n}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
