"""LiteRT (TensorFlow Lite) on the CPU: https://ai.google.dev/edge/litert/inference.

Inputs and outputs are matched by name, and by place where a converter named them ``args_0``, ``output_0``, ...
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sensorium.bundle.manifest import GraphEntry, TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # the older package of the same interpreter, where somebody has it
    from tflite_runtime.interpreter import Interpreter


class LitertGraph:
    """An interpreter with its tensors allocated."""

    def __init__(self, entry: GraphEntry, interpreter: Interpreter) -> None:
        self.inputs: tuple[TensorSpec, ...] = entry.inputs
        self.outputs: tuple[TensorSpec, ...] = entry.outputs
        self._file = entry.file
        (signature,) = interpreter.get_signature_list()
        self._runner = interpreter.get_signature_runner(signature)
        taken, given = self._runner.get_input_details(), self._runner.get_output_details()
        self._names = _matched([i.name for i in entry.inputs], taken)
        self._dtypes = {name: taken[key]["dtype"] for name, key in self._names.items()}
        self._made = _matched([o.name for o in entry.outputs], given)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        try:
            # Converters make int32 of int64; tokens and indices fit.
            made = self._runner(**{self._names[n]: v.astype(self._dtypes[n], copy=False) for n, v in feeds.items()})
            return {name: made[key] for name, key in self._made.items()}
        except Exception as err:  # its exceptions share no base class of their own
            raise BackendError(f"{self._file}: litert failed: {str(err).splitlines()[0]}") from err


def open_graph(entry: GraphEntry, model: Path | bytes, threads: int) -> LitertGraph:
    """Open a .tflite model with one signature."""
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    try:
        interpreter = Interpreter(**source, num_threads=threads or None)
        interpreter.allocate_tensors()
        return LitertGraph(entry, interpreter)
    except Exception as err:
        raise BackendError(f"{entry.file}: litert refuses it: {str(err).splitlines()[0]}") from err


def _matched(names: Sequence[str], keys: Iterable[str]) -> dict[str, str]:
    """Our name of a tensor -> the signature's."""
    if set(names) == set(keys):
        return {name: name for name in names}
    return dict(zip(names, in_order(keys), strict=True))


def in_order(keys: Iterable[str]) -> list[str]:
    """Names of a signature by the number they end in: the dictionary that they come in is sorted as text."""
    return sorted(keys, key=lambda key: int(key.rpartition("_")[2]))
