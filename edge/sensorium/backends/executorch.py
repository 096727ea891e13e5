"""ExecuTorch on the CPU (XNNPACK): https://docs.pytorch.org/executorch/stable/runtime-python-api-reference.html.

Its Python interface takes and gives torch tensors, so opening a graph imports torch; on a small machine its C++ runner
is the way. The number of threads is one for the whole process.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

# The documented module, extension.pybindings.portable_lib, is this one behind an import of the whole exporter.
from executorch.extension.pybindings import _C as runtime  # noqa: N811

from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array


class ExecutorchGraph:
    """The method ``forward`` of a program; inputs and outputs are by place."""

    def __init__(self, entry: GraphEntry, content: bytes) -> None:
        self.inputs: tuple[TensorSpec, ...] = entry.inputs
        self.outputs: tuple[TensorSpec, ...] = entry.outputs
        self._file = entry.file
        self._content = content  # the program reads from these bytes for as long as it lives, and does not hold them
        self._program = runtime._load_for_executorch_from_buffer(content)
        self._program.method_meta("forward")  # only now is it read

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        try:
            given = [torch.from_numpy(feeds[spec.name].copy()) for spec in self.inputs]
            made = self._program.run_method("forward", given, clone_outputs=True)
            return {spec.name: tensor.numpy() for spec, tensor in zip(self.outputs, made, strict=True)}
        except Exception as err:  # its exceptions share no base class of their own
            raise BackendError(f"{self._file}: executorch failed: {str(err).splitlines()[0]}") from err


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> ExecutorchGraph:
    """Open a .pte program."""
    try:
        if threads and runtime._threadpool_get_thread_count() != threads:
            runtime._unsafe_reset_threadpool(threads)
        content = model if isinstance(model, bytes) else model.read_bytes()
        return ExecutorchGraph(entry, content)
    except Exception as err:
        raise BackendError(f"{entry.file}: executorch refuses it: {str(err).splitlines()[0]}") from err
