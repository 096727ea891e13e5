"""Weights out of a model in ONNX Runtime's own format (.ort), which is a flatbuffer and holds no code.

https://onnxruntime.ai/docs/reference/ort-format-models.html. Linear layers with 8-bit weights are given as the floats
that these stand for.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium_compile.errors import CompileError

_DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}  # onnx.TensorProto.DataType
_QUANTIZED = ("MatMulIntegerToFloat", "DynamicQuantizeMatMul")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Every float weight by its name, and each 8-bit matrix (in, out) by the module whose product it makes.

    Raises CompileError where the file is none of that format.
    """
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    raw = path.read_bytes()
    if raw[4:8] != b"ORTM":
        raise CompileError(f"{path.name} is no model in ONNX Runtime's own format (.ort)")
    graph = InferenceSession.GetRootAs(bytearray(raw), 0).Model().Graph()
    values = {}
    for i in range(graph.InitializersLength()):
        name, value = _tensor(graph.Initializers(i))
        if value is not None:
            values[name] = value
    made = {name: torch.from_numpy(v.copy()) for name, v in values.items() if v.dtype == np.float32}
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        if node.OpType().decode() in _QUANTIZED:
            inputs = [node.Inputs(j).decode() for j in range(node.InputsLength())]
            weight = next(name for name in inputs if name.endswith("_quantized") and name in values)
            stem = weight.removesuffix("_quantized")
            scale, zero = values[f"{stem}_scale"], values[f"{stem}_zero_point"]
            matrix = (values[weight].astype(np.float32) - zero.astype(np.float32)) * scale
            made[_module(node.Outputs(0).decode())] = torch.from_numpy(matrix)
    return made


def _tensor(given: Any) -> tuple[str, np.ndarray[Any, Any] | None]:
    dtype = _DTYPES.get(given.DataType())
    if dtype is None or not given.RawDataLength():
        return given.Name().decode(), None
    shape = tuple(given.Dims(j) for j in range(given.DimsLength()))
    return given.Name().decode(), np.frombuffer(given.RawDataAsNumpy().tobytes(), dtype).reshape(shape)


def _module(output: str) -> str:
    """``/layers.0/mlp/fc1/MatMul_output_0`` -> ``layers.0.mlp.fc1``."""
    return ".".join(output.strip("/").split("/")[:-1])
