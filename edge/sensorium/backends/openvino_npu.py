"""OpenVINO on the NPU of an Intel Core Ultra, which compiles a graph when it is first opened and keeps what it made.

https://docs.openvino.ai/2026/openvino-workflow/running-inference/inference-devices-and-modes/npu-device.html
"""

from pathlib import Path

from sensorium.backends.openvino import OpenvinoGraph, compiled, ov
from sensorium.bundle.manifest import GraphEntry
from sensorium.engines import cache_folder
from sensorium.errors import BackendError

DEVICE = "NPU"


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> OpenvinoGraph:
    """Open on the NPU; ``threads`` are the processor's, which computes nothing. Raises BackendError where none is."""
    devices = ov.Core().available_devices
    if DEVICE not in devices:
        raise BackendError(
            f"{entry.file}: OpenVINO finds no {DEVICE} here, only {', '.join(devices)}: install its driver, or compile "
            "the bundle again with --target intel-cpu"
        )
    return compiled(entry, model, DEVICE, {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": str(cache_folder())})
