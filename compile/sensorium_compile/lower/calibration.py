"""What static quantization must know of activations: the range of each tensor, computed once or recorded earlier."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from pydantic import TypeAdapter, ValidationError

from sensorium.errors import first_fault
from sensorium.samples import Array
from sensorium_compile.errors import CompileError

Feeds = Mapping[str, Array]  # input name -> tensor
Ranges = dict[str, tuple[float, float]]  # "layer.in" or "layer.out" -> least and greatest value
Drawn = Mapping[str, Sequence[Feeds]]
Samples = Drawn | Callable[[], Drawn]
Table = dict[str, dict[str, Ranges]]  # backend -> graph -> ranges

LEAST_SAMPLES = 8  # of fewer, the extremes are an accident: facts' spikes used 16 to 64
DIGITS = 6  # significant digits that are kept: enough for 8 bits, and the same from samples and from JSON

_TABLE = TypeAdapter(Table)


class Calibration:
    """Ranges of activations: those recorded with a checkpoint, the others from samples (graph name -> feeds).

    What was computed once is kept; ``to_json`` holds all of it, so that it can travel without the samples.
    """

    def __init__(self, samples: Samples | None = None, recorded: Mapping[str, Mapping[str, Ranges]] = {}) -> None:
        """``samples`` may be a function that draws them, called when a range is not known."""
        self._samples = samples
        self._table: Table = {backend: dict(graphs) for backend, graphs in recorded.items()}

    @classmethod
    def from_json(cls, text: str, samples: Samples | None = None) -> Self:
        """Ranges as ``to_json`` wrote them. Raises CompileError when it is something else."""
        try:
            return cls(samples, _TABLE.validate_json(text))
        except ValidationError as err:
            raise CompileError(f"calibration: {first_fault(err)}; record it again from samples") from err

    def to_json(self) -> str:
        """Every range that is known, one tensor a line, in the order of names."""
        return json.dumps(self._table, sort_keys=True, indent=0) + "\n"

    def absorb(self, text: str) -> None:
        """Take in ranges that ``to_json`` of another process wrote."""
        for backend, graphs in self.from_json(text)._table.items():
            self._table.setdefault(backend, {}).update(graphs)

    def ranges(self, backend: str, graph: str, compute: Callable[[Sequence[Feeds]], Ranges]) -> Ranges:
        """The ranges of a graph as ``backend`` computes it; from the samples when they are not known yet.

        Raises CompileError when there are neither ranges nor enough samples, or a range is no number.
        """
        known = self._table.setdefault(backend, {})
        if graph not in known:
            known[graph] = _rounded(graph, compute(self._samples_of(backend, graph)))
        return known[graph]

    def _samples_of(self, backend: str, graph: str) -> Sequence[Feeds]:
        if self._samples is None:
            recorded = sorted(f"{b}/{g}" for b, graphs in self._table.items() for g in graphs)
            raise CompileError(
                f"no ranges were recorded for graph {graph} on {backend}; recorded: {', '.join(recorded) or 'none'}; "
                "give the data folder, or choose a precision without static int8"
            )
        if callable(self._samples):
            self._samples = self._samples()
        feeds = self._samples.get(graph, ())
        if len(feeds) < LEAST_SAMPLES:
            raise CompileError(
                f"calibration of graph {graph} has {len(feeds)} sample(s); at least {LEAST_SAMPLES} are needed: "
                "give more data, or choose a precision without static int8"
            )
        return feeds


def layer_keys(paths: Iterable[str]) -> tuple[str, ...]:
    """A key for each layer of a graph, in order: its module path, and a number where a module computes several.

    So ranges are known by what the module says, not by what a converter calls its tensors.
    """
    seen: Counter[str] = Counter()
    keys = []
    for path in paths:
        keys.append(f"{path}#{seen[path]}" if seen[path] else path)
        seen[path] += 1
    return tuple(keys)


def range_of(ranges: Ranges, graph: str, key: str, side: str) -> tuple[float, float]:
    """The range of what goes in ("in") or out ("out") of a layer; raises CompileError where none was recorded."""
    if (name := f"{key}.{side}") not in ranges:
        raise CompileError(
            f"graph {graph}: no range was recorded for {name}; they are of another model: record them again from data"
        )
    return ranges[name]


def _rounded(graph: str, ranges: Ranges) -> Ranges:
    for tensor, pair in ranges.items():
        if not all(map(math.isfinite, pair)):
            raise CompileError(
                f"calibration of graph {graph}: tensor {tensor} reaches {pair}; look for a NaN in the data"
            )
    return {tensor: (_round(low), _round(high)) for tensor, (low, high) in sorted(ranges.items())}


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
