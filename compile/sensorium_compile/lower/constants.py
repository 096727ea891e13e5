"""Constants of an ONNX graph worked out beforehand: what no input reaches, e.g. the query of a learned token.

ONNX Runtime does so when it opens a graph. OpenVINO 2026.4 does it wrongly where int8 weights are involved (a cosine of
.86 instead of 1), and a layer whose result is constant needs no weights at all.
"""

import onnx
import onnxruntime as ort
from onnx import numpy_helper

MOST_GROWTH = 4096  # bytes by which the constants may grow


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every node that only constants reach replaced by its result."""
    made = onnx.ModelProto.FromString(model.SerializeToString())
    graph = made.graph
    known = {c.name: c for c in graph.initializer}
    outputs = {o.name for o in graph.output}
    rest, folded = [], []
    for node in graph.node:
        if outputs.isdisjoint(node.output) and all(name in known for name in node.input if name):
            folded.append(node)
            known |= dict.fromkeys(node.output)
        else:
            rest.append(node)
    used = sorted({name for node in rest for name in node.input} & {o for node in folded for o in node.output})
    if not used:
        return model
    results = _worked_out(made, folded, used)
    needed = {name for node in rest for name in node.input} | outputs
    kept = [c for c in [*graph.initializer, *results] if c.name in needed]
    if sum(map(_size, kept)) > sum(map(_size, graph.initializer)) + MOST_GROWTH:
        return model
    del graph.node[:]
    graph.node.extend(rest)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(made)
    return made


def _worked_out(model: onnx.ModelProto, nodes: list[onnx.NodeProto], names: list[str]) -> list[onnx.TensorProto]:
    """The values of tensors that those nodes make, computed on one thread."""
    part = onnx.ModelProto.FromString(model.SerializeToString())
    del part.graph.node[:], part.graph.output[:], part.graph.input[:]
    part.graph.node.extend(nodes)
    part.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [numpy_helper.from_array(value, name) for name, value in zip(names, session.run(names, {}), strict=True)]


def _size(tensor: onnx.TensorProto) -> int:
    return int(numpy_helper.to_array(tensor).nbytes)
