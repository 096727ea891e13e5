"""OpenVINO on the CPU: https://docs.openvino.ai/2026/openvino-workflow/running-inference.html."""

import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array

# OpenVINO tells a server of Intel's that it was imported, from a forked process, where this package lets it. A robot
# or a kiosk tells nobody: while it is imported, the package is not there.
_telemetry = sys.modules.pop("openvino_telemetry", None)
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
try:
    import openvino as ov
finally:
    del sys.modules["openvino_telemetry"]
    if _telemetry is not None:
        sys.modules["openvino_telemetry"] = _telemetry

# Left alone, OpenVINO computes in bfloat16 wherever the processor can, without saying so.
__all__ = ["OpenvinoGraph", "compiled", "open_graph", "ov", "read_ir"]

_HINTS = {"bfloat16": "bf16"}
IR = ".ir.zip"


class OpenvinoGraph:
    """A compiled model of OpenVINO with one request."""

    def __init__(self, entry: GraphEntry, model: ov.CompiledModel, weights: ov.Tensor | None = None) -> None:
        """``weights`` are kept as long as the graph is."""
        self._weights = weights
        self.inputs: tuple[TensorSpec, ...] = entry.inputs
        self.outputs: tuple[TensorSpec, ...] = entry.outputs
        self._file = entry.file
        self._request = model.create_infer_request()
        self._ports = {spec.name: model.output(spec.name) for spec in entry.outputs}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        if missing := [spec.name for spec in self.inputs if spec.name not in feeds]:  # it would take the last one's
            raise BackendError(f"{self._file}: openvino failed: no input {missing[0]}")
        try:
            made = self._request.infer(dict(feeds))
            return {name: made[port].copy() for name, port in self._ports.items()}
        except Exception as err:  # its exceptions share no base class of their own
            raise BackendError(f"{self._file}: openvino failed: {_last_line(err)}") from err


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> OpenvinoGraph:
    """Open an .onnx model, the .xml of an IR whose .bin lies beside it, or the .ir.zip of both, on the processor."""
    options: dict[str, str | int] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS.get(entry.precision, "f32"),
        "NUM_STREAMS": 1,
    }
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    return compiled(entry, model, "CPU", options)


def compiled(entry: GraphEntry, model: Path | bytes, device: str, options: Mapping[str, str | int]) -> OpenvinoGraph:
    """Open a model on one of OpenVINO's devices; raises BackendError in OpenVINO's words."""
    try:
        core = ov.Core()
        if entry.file.endswith(IR):
            read, weights = read_ir(core, model)
        else:
            read, weights = core.read_model(model if isinstance(model, bytes) else str(model)), None
        return OpenvinoGraph(entry, core.compile_model(read, device, dict(options)), weights)
    except Exception as err:
        raise BackendError(f"{entry.file}: openvino refuses it: {_last_line(err)}") from err


def read_ir(core: ov.Core, content: Path | bytes) -> tuple[ov.Model, ov.Tensor]:
    """The model of an .ir.zip, and its weights, which must live as long as whatever is compiled of it.

    OpenVINO does not copy them, and holds no reference: without ours they are overwritten by what comes next.
    """
    with zipfile.ZipFile(io.BytesIO(content) if isinstance(content, bytes) else content) as archive:
        weights = ov.Tensor(np.frombuffer(archive.read("model.bin"), np.uint8).copy(), shared_memory=True)
        return core.read_model(archive.read("model.xml"), weights), weights


def _last_line(err: Exception) -> str:
    """OpenVINO's messages begin with its own source files; what happened stands last."""
    return [line.strip() for line in str(err).splitlines() if line.strip()][-1]
