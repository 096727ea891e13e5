"""Ranges of activations of an ONNX graph over samples, for static int8."""

from collections.abc import Collection, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from sensorium_compile.lower.calibration import Feeds, Ranges


def least_and_greatest(model: onnx.ModelProto, tensors: Collection[str], feeds: Sequence[Feeds]) -> Ranges:
    """The range of each of ``tensors`` (float32) over all feeds."""
    if not tensors:
        return {}
    names = sorted(tensors)
    session = _watching(model, names)
    outputs = [o.name for o in session.get_outputs()]
    seen = np.array([session.run(outputs, dict(feed)) for feed in feeds], np.float64)  # (feeds, 2 * tensors)
    low, high = seen[:, ::2].min(axis=0), seen[:, 1::2].max(axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)}


def _watching(model: onnx.ModelProto, names: Sequence[str]) -> ort.InferenceSession:
    """A session whose outputs are the least and the greatest value of each tensor, in order."""
    watched = onnx.ModelProto.FromString(model.SerializeToString())
    del watched.graph.output[:]
    for name in names:
        for op in ("ReduceMin", "ReduceMax"):
            made = f"{name}/{op}"
            watched.graph.node.append(helper.make_node(op, [name], [made], keepdims=0))
            watched.graph.output.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, []))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # the same sums everywhere
    options.log_severity_level = 3
    return ort.InferenceSession(watched.SerializeToString(), options, providers=["CPUExecutionProvider"])
