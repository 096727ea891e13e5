"""One modality's graph: a prepared sample in, tokens out, or a reason why not."""

import logging
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from sensorium.backends import Graph
from sensorium.clock import NS_PER_S
from sensorium.errors import BackendError, BundleError
from sensorium.evidence import Evidence
from sensorium.inputs import InputSpec, tensor_dtype, to_tensor
from sensorium.samples import Array

log = logging.getLogger(__name__)

Tokens = NDArray[np.float32]  # (1, count, width)

SENSE = "learned"  # evidence with tokens; evidence fusion, which has no calibration for it, leaves it out


class Tower:
    """Any thread may run it; one at a time does."""

    def __init__(self, modality: str, spec: InputSpec, graph: Graph, lasts_s: float) -> None:
        """``lasts_s``: how long its evidence counts. Raises BundleError where the graph does not fit the spec."""
        self.modality, self.spec = modality, spec
        self._graph, self._lock = graph, Lock()
        self._lasts_ns = round(lasts_s * NS_PER_S)
        self._input, self._output = _fitting(modality, spec, graph)

    def run(self, stored: Array) -> Tokens:
        """The tokens of one prepared sample, read-only; raises BackendError, also where they are NaN or infinite."""
        tensor = to_tensor(stored, self.spec)
        with self._lock:
            out = self._graph.run({self._input: tensor})[self._output]
        tokens: Tokens = np.array(out, np.float32)  # a backend may use its buffer again
        if not np.isfinite(tokens).all():
            raise BackendError(f"the {self.modality} graph gave NaN or infinite tokens; compile the bundle again")
        tokens.flags.writeable = False
        return tokens

    def attempt(self, stored: Array, failures: list[str]) -> Tokens | None:
        """The same; a graph that fails is named in ``failures``, not raised."""
        try:
            return self.run(stored)
        except Exception as err:  # a backend's own exceptions share no base class
            log.exception("the %s graph failed", self.modality)
            failures.append(f"model: {type(err).__name__}: {err}")
            return None

    def evidence(self, tokens: Tokens, at_ns: int) -> Evidence:
        """The tokens of what was sensed at ``at_ns``."""
        return Evidence(self.modality, (), at_ns, sense=SENSE, tokens=tokens, lasts_ns=self._lasts_ns)


def _fitting(modality: str, spec: InputSpec, graph: Graph) -> tuple[str, str]:
    """The names of the graph's one input and one output."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise BundleError(
            f"the {modality} graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; allowed: one each"
        )
    taken, wanted = graph.inputs[0], (tensor_dtype(spec), spec.shape)
    one = (1, *taken.shape[1:]) if taken.shape[:1] == (-1,) else taken.shape  # of a graph that takes batches
    if (taken.dtype, one) != wanted:
        raise BundleError(
            f"the {modality} graph takes {taken.dtype} {taken.shape}, its spec is {wanted[0]} {wanted[1]}; "
            f"compile the bundle again"
        )
    return taken.name, graph.outputs[0].name
