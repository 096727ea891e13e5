"""TensorRT on an NVIDIA GPU, by ONNX Runtime's provider, else CUDA, else the processor; the log says which.

https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html. An engine is of one model, TensorRT,
JetPack, GPU and power mode, so it is built when a graph is first opened and kept in a folder of that name.

TensorRT is given the graph as it is, without ONNX Runtime's own optimisations. One of those of ONNX Runtime 1.32 is
never wanted: in float16 it quantizes biases by a product of scales that rounds to zero (cosine .26 instead of .999).
"""

import hashlib
import logging
from pathlib import Path

import onnxruntime as ort

from sensorium.backends.onnxruntime import OrtGraph
from sensorium.bundle.manifest import GraphEntry
from sensorium.errors import BackendError
from sensorium.nvidia import chip, engine_folder

log = logging.getLogger(__name__)

NAME = "tensorrt"
BIASES = "WeightBiasQuantization"  # the optimisation that is never wanted
PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
WITHOUT_FLAGS = 11  # from this TensorRT on, a network says itself which types it computes in


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> OrtGraph:
    """Open an .onnx model; the first time on a GPU this builds its engine, which takes minutes."""
    content = model if isinstance(model, bytes) else model.read_bytes()
    options = ort.SessionOptions()
    tried = providers(entry, hashlib.sha256(content).hexdigest())
    if tried[0][0] == PROVIDERS[0]:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(content, options, providers=tried, disabled_optimizers=[BIASES])
    except Exception as err:
        raise BackendError(f"{entry.file}: onnxruntime refuses it: {str(err).splitlines()[0]}") from err
    graph = OrtGraph(entry, session)
    log.info("%s: %s executes it (%s)", entry.file, graph.provider, entry.precision)
    return graph


def providers(entry: GraphEntry, digest: str) -> list[tuple[str, dict[str, str]]]:
    """What ONNX Runtime is to try, the best first, with its options: of those that are installed."""
    there = set(ort.get_available_providers())
    options = {PROVIDERS[0]: provider_options(entry.precision, digest)} if PROVIDERS[0] in there else {}
    return [(name, options.get(name, {})) for name in PROVIDERS if name in there]


def provider_options(precision: str, digest: str) -> dict[str, str]:
    """Options of the TensorRT provider for a graph of that precision and sha256."""
    folder = str(engine_folder(digest))
    options = {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
        "trt_builder_optimization_level": "5",
    }
    if chip().tensorrt_major < WITHOUT_FLAGS:
        options["trt_fp16_enable"] = "1"
        if precision == "int8":
            options["trt_int8_enable"] = "1"
    return options
