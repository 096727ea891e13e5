"""What it costs that a graph can be replaced while it runs: each graph of a bundle, bare, replaceable, and guarded.

Guarded is what live commands do where a run may hang: an encoder's thread is looked at, and left behind where it does;
any other thread hands over its long runs to one that is.
The floor is the bare graph. All run on the golden inputs, or on zeros where there are none; whichever goes first
changes from run to run, so that a busy machine slows them alike.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.backends import Graph
from sensorium.bundle import Bundle, Part, TensorSpec
from sensorium.fallback import FallbackGraph
from sensorium.guard import Lane, Patience
from sensorium.samples import Array
from sensorium_apps.benches.machine import machine

WARM_UP = 5
BATCHES = 10  # whose ratios' least and greatest are the spread


def fallback(path: Path, rounds: int) -> dict[str, Any]:
    """Figures by ``part/graph``: medians [ms] and their ratio; and the machine."""
    figures = {}
    with Bundle(path) as bundle:
        golden = bundle.golden()
        for name, entry in bundle.manifest.parts.items():
            for graph in entry.graphs:
                figures[f"{name}/{graph}"] = _compare(bundle.part(name), graph, golden, rounds)
    return {"figures": figures, "rounds": rounds, "machine": machine()}


class _InLane:
    """A graph as an encoder's thread runs it."""

    def __init__(self, graph: Graph) -> None:
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self._graph, self._lane = graph, Lane(1.0)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        with self._lane:
            return self._graph.run(feeds)


def _compare(part: Part, name: str, golden: Mapping[str, Array], rounds: int) -> dict[str, Any]:
    bare = part.graph(name, threads=1)

    def replaceable(patience: Patience | None) -> Graph:
        return FallbackGraph(f"{part.name}/{name}", (part.entry.graphs[name],), lambda _: bare, patience)

    graphs = {
        "bare": bare,
        "replaceable": replaceable(None),
        "guarded": _InLane(replaceable(Patience())),
        "handed_over": replaceable(Patience(guarded_from_s=0.0)),
    }
    feeds = example(f"{part.name}/{name}/", bare, golden)
    times: dict[str, list[float]] = {which: [] for which in graphs}
    order = deque(graphs.items())
    for n in range(-WARM_UP, rounds):
        order.rotate()
        for which, graph in order:
            took = _timed(lambda graph=graph: graph.run(feeds))  # type: ignore[misc]
            times[which] += [took] if n >= 0 else []
    each = max(1, rounds // BATCHES)
    told: dict[str, Any] = {f"{which}_ms": round(statistics.median(took) * 1000, 4) for which, took in times.items()}
    for which, prefix in (("replaceable", ""), ("guarded", "guarded_"), ("handed_over", "handed_over_")):
        ratios = [_ratio(times, which, start, start + each) for start in range(0, rounds - each + 1, each)]
        told[f"{prefix}ratio"] = round(_ratio(times, which, 0, rounds), 4)
        told[f"{prefix}spread"] = [round(min(ratios), 4), round(max(ratios), 4)]
    return told


def _ratio(times: Mapping[str, list[float]], which: str, start: int, end: int) -> float:
    return statistics.median(times[which][start:end]) / statistics.median(times["bare"][start:end])


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def example(prefix: str, graph: Graph, golden: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs of the first golden case."""
    cases = sorted({key.removeprefix(prefix).split("/")[0] for key in golden if key.startswith(prefix)})
    if cases:
        return {spec.name: golden[f"{prefix}{cases[0]}/in/{spec.name}"] for spec in graph.inputs}
    return {spec.name: _zeros(spec) for spec in graph.inputs}


def _zeros(spec: TensorSpec) -> Array:
    return np.zeros([max(1, size) for size in spec.shape], spec.dtype)
