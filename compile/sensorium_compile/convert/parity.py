"""Is a converted graph still the original? Each conversion is compared with what the original once said."""

import io
from collections.abc import Mapping
from importlib import resources

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from sensorium.samples import Array
from sensorium_compile.errors import CompileError


def pattern(size: int) -> NDArray[np.uint8]:
    """The picture that originals were recorded on, (size, size, 3): blocks of colour, slopes of light."""
    y, x, c = np.ogrid[:size, :size, :3]
    blocks = ((x >> 5) * 37 + (y >> 5) * 101 + c * 53) % 128
    return np.asarray(blocks + (x * (c + 1) + y * 2) % 128, np.uint8)


def reference(name: str) -> dict[str, Array]:
    """What the original of that name was recorded to say."""
    data = resources.files("sensorium_compile.convert.references").joinpath(f"{name}.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a model by name, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def check_error(what: str, got: Array, expected: Array, allowed: float) -> float:
    """The greatest absolute difference; raises CompileError when it is more than ``allowed`` or no number."""
    error = float(np.abs(got.astype(np.float64) - expected).max())
    if not error <= allowed:
        raise CompileError(f"{what} differs from its original by {error:.3g}; allowed: {allowed:g}")
    return error


def check_cosine(what: str, got: Array, expected: Array, least: float) -> float:
    """The cosine between two outputs; raises CompileError when it is less than ``least`` or no number."""
    a, b = got.astype(np.float64).reshape(-1), expected.astype(np.float64).reshape(-1)
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    if not cosine >= least:
        raise CompileError(f"{what} has a cosine of {cosine:.4f} with its original; at least: {least:g}")
    return cosine
