"""Where the time of an ONNX graph goes, block by block, as onnxruntime's own profiler saw it."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime as ort

from sensorium.samples import Array
from sensorium_compile.errors import CompileError

RUNS, WARM_UP = 30, 5
SCOPES = "pkg.torch.onnx.name_scopes"  # where torch.onnx.export notes the module that a node came from


@dataclass(frozen=True, slots=True)
class BlockTime:
    """One block's time."""

    block: str  # module path, "blocks.3"; an operator's name where the graph knows no modules
    ms: float  # of one run, mean
    share: float


def block_times(model: bytes, feeds: Mapping[str, Array], *, depth: int = 2, runs: int = RUNS) -> tuple[BlockTime, ...]:
    """Time by module path down to ``depth`` names, slowest first; on one thread, optimised as it ships.

    A node that onnxruntime made (fused, reordered, quantized) counts for the module of the tensor that it makes,
    or else of the node that takes its result.
    """
    events, optimised = _profile(model, feeds, runs)
    taken = _node_times(events, runs)
    if not taken:
        raise CompileError(f"onnxruntime {ort.__version__} told no time of any node; its profile has changed")
    blocks = _blocks(optimised.graph.node, _scopes(onnx.load_from_string(model).graph.node, depth))
    sums: dict[str, float] = {}
    for node, block in zip(optimised.graph.node, blocks, strict=True):
        sums[block] = sums.get(block, 0.0) + taken.get(node.name, 0.0)
    total = sum(sums.values()) or 1.0
    slowest = sorted(sums.items(), key=lambda item: -item[1])
    return tuple(BlockTime(block, ms, ms / total) for block, ms in slowest)


def _profile(
    model: bytes, feeds: Mapping[str, Array], runs: int
) -> tuple[Sequence[Mapping[str, object]], onnx.ModelProto]:
    """The profiler's events, and the graph as onnxruntime rewrote it."""
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4  # it warns that the rewritten graph fits this machine only: it is read, not kept
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        for _ in range(WARM_UP + runs):
            session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return events, onnx.load(options.optimized_model_filepath)


def _node_times(events: Iterable[Mapping[str, object]], runs: int) -> dict[str, float]:
    """Mean time of each node [ms] over the last ``runs`` runs."""
    taken: dict[str, list[float]] = {}
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            taken.setdefault(name.removesuffix("_kernel_time"), []).append(float(str(event["dur"])) / 1e3)  # us -> ms
    return {name: sum(each[-runs:]) / runs for name, each in taken.items()}


def _scopes(nodes: Iterable[onnx.NodeProto], depth: int) -> dict[str, str]:
    """Tensor -> module path of the node that makes it."""
    scopes: dict[str, str] = {}
    for node in nodes:
        noted = {entry.key: entry.value for entry in node.metadata_props}.get(SCOPES, "")
        names = [part.strip(" '\"") for part in noted.strip("[]").split(",")]  # "['', 'blocks.0', 'blocks.0.bn', 'op']"
        module = next((name for name in reversed(names[:-1]) if name), "")
        if module:
            path = ".".join(module.split(".")[:depth])
            scopes |= dict.fromkeys(node.output, path)
    return scopes


def _blocks(nodes: Sequence[onnx.NodeProto], scopes: Mapping[str, str]) -> list[str]:
    """The block of each node."""
    by_input: dict[str, str] = {}  # tensor -> block of the node that takes it
    found = []
    for node in reversed(nodes):  # they are in topological order, so who takes a result comes before
        block = next((scopes[out] for out in node.output if out in scopes), "")
        block = block or next((by_input[out] for out in node.output if out in by_input), "") or node.op_type
        by_input |= {given: block for given in node.input if given not in by_input}
        found.append(block)
    return found[::-1]
