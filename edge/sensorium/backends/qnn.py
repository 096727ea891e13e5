"""Qualcomm Hexagon by ONNX Runtime's QNN provider: https://onnxruntime.ai/docs/execution-providers/QNN-ExecutionProvider.html.

The same library that drives the NPU of an aarch64 Snapdragon emulates it, slowly, on x86 Linux.
"""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort
import onnxruntime_qnn as qnn

from sensorium.backends.onnxruntime import OrtGraph
from sensorium.bundle.manifest import GraphEntry
from sensorium.errors import BackendError

CONTEXT = "ep.context_"  # what ONNX Runtime calls options of compiling to a file


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> OrtGraph:
    """Open a context binary in its .onnx."""
    content = model if isinstance(model, bytes) else model.read_bytes()
    return OrtGraph(entry, session(entry.file, content, {}, threads))


def session(
    name: str, model: bytes, options: Mapping[str, str], threads: int = 0, out: Path | None = None
) -> ort.InferenceSession:
    """A session on the HTP with the provider's ``options`` (soc_model, htp_arch); raises BackendError.

    ``out`` is where the context binary is written, in an .onnx of its own.
    """
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    if out is not None:
        for key, value in (("enable", "1"), ("embed_mode", "1"), ("file_path", str(out))):
            settings.add_session_config_entry(CONTEXT + key, value)
    try:
        devices = [device for device in _devices() if device.ep_name == qnn.get_ep_name()]
        settings.add_provider_for_devices(devices[:1], {"backend_path": qnn.get_qnn_htp_path(), **options})
        return ort.InferenceSession(model, settings)
    except Exception as err:  # its exceptions share no base class of their own
        raise BackendError(f"{name}: QNN refuses it: {str(err).splitlines()[0]}") from err


def _devices() -> list[ort.OrtEpDevice]:
    """What providers see, this one among them."""
    if not any(device.ep_name == qnn.get_ep_name() for device in ort.get_ep_devices()):
        ort.register_execution_provider_library(qnn.get_ep_name(), qnn.get_library_path())
    return list(ort.get_ep_devices())
