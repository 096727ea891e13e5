"""ONNX Runtime on the CPU: https://onnxruntime.ai/docs/api/python/api_summary.html."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array


class OrtGraph:
    """A session of ONNX Runtime."""

    def __init__(self, entry: GraphEntry, session: ort.InferenceSession) -> None:
        self.inputs: tuple[TensorSpec, ...] = entry.inputs
        self.outputs: tuple[TensorSpec, ...] = entry.outputs
        self._file = entry.file
        self._session = session
        self._names = [o.name for o in entry.outputs]

    @property
    def provider(self) -> str:
        """What executes it: Tensorrt, CUDA or CPU."""
        return str(self._session.get_providers()[0]).removesuffix("ExecutionProvider")

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        try:
            return dict(zip(self._names, self._session.run(self._names, dict(feeds)), strict=True))
        except Exception as err:  # its exceptions share no base class of their own
            raise BackendError(f"{self._file}: onnxruntime failed: {str(err).splitlines()[0]}") from err


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> OrtGraph:
    """Open an .onnx or .ort model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Waiting threads that spin take the cores from capture and from the other graphs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        source = model if isinstance(model, bytes) else str(model)
        session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as err:
        raise BackendError(f"{entry.file}: onnxruntime refuses it: {str(err).splitlines()[0]}") from err
    return OrtGraph(entry, session)
