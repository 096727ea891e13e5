"""What it brings that several streams share one runtime: a bundle's graphs, one by one and in batches.

Every graph that takes any number of rows is asked by several streams: at low load, where each asks at a rate of its
own, and at high load, where each asks again as soon as it was answered. Both ways have the same queue; only one of them
makes batches. Rounds of the two are interleaved, and ratios are of one round, so that a busy machine slows both alike.
The floor is the graph by itself, which nobody waits for.
"""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.backends import Graph
from sensorium.bundle import Bundle
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.errors import BundleError
from sensorium.samples import Array
from sensorium.shared import MOST, BatchedGraph, takes_batches
from sensorium_apps.benches.fallback import example
from sensorium_apps.benches.figures import percentile
from sensorium_apps.benches.machine import machine

WAYS = ("one_by_one", "batched")
LOW_STREAMS, LOW_LOAD = 4, 0.3  # a robot's cameras, which keep the graph busy for at most so much of the time ...
LOW_PERIOD_S = 1 / 30  # ... and give 30 pictures a second at most
HIGH_STREAMS = 16  # a wall of kiosks, more than the graph can serve
# A request is due so many times the graph's own time after it was made: one by one, half of the streams of a high load
# would be in time. A small graph's are due when a thread's own lateness no longer counts.
DUE, LEAST_DUE_MS = HIGH_STREAMS / 2, 20.0
WARM_UP = 5

Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Load:
    """What a round led to."""

    latencies_ms: tuple[float, ...]
    seconds: float
    due_ms: float

    @property
    def figures(self) -> dict[str, float]:
        """Latency, throughput, and the share that came too late."""
        return {
            "p50_ms": percentile(self.latencies_ms, 50, 3),
            "p95_ms": percentile(self.latencies_ms, 95, 3),
            "per_s": round(len(self.latencies_ms) / self.seconds, 1),
            "missed_ratio": round(sum(took > self.due_ms for took in self.latencies_ms) / len(self.latencies_ms), 4),
        }


def batching(
    path: Path, rounds: int, seconds: float, threads: int, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Figures and floor by ``part/graph``, and machine; raises BundleError where no graph takes batches."""
    figures, floor = {}, {}
    with Bundle(path) as bundle:
        golden = bundle.golden()
        for part in bundle.manifest.parts:
            for name in bundle.manifest.parts[part].graphs:
                graph = bundle.part(part).graph(name, threads=threads)
                if takes_batches(graph):
                    tell(f"{part}/{name}")
                    feeds = {key: rows[:1] for key, rows in example(f"{part}/{name}/", graph, golden).items()}
                    alone = _alone_ms(graph, feeds, seconds)
                    floor[f"{part}/{name}"] = {"p50_ms": percentile(alone, 50, 3), "p95_ms": percentile(alone, 95, 3)}
                    figures[f"{part}/{name}"] = _compare(graph, feeds, statistics.median(alone), rounds, seconds)
    if not figures:
        raise BundleError(f'{path}: no graph takes more than one sample; compile it with batch = "any" in its recipe')
    return {
        "figures": figures,
        "floor": floor,
        "rounds": rounds,
        "threads": threads,
        "streams": {"low": LOW_STREAMS, "high": HIGH_STREAMS},
        "machine": machine(),
    }


def _compare(graph: Graph, feeds: Tensors, alone_ms: float, rounds: int, seconds: float) -> dict[str, Any]:
    due_ms = max(LEAST_DUE_MS, DUE * alone_ms)
    shared = {way: BatchedGraph(graph, due_ms, most) for way, most in zip(WAYS, (1, MOST), strict=True)}
    period_s = max(LOW_PERIOD_S, LOW_STREAMS * alone_ms / 1000 / LOW_LOAD)
    told: dict[str, dict[str, list[Load]]] = {load: {way: [] for way in WAYS} for load in ("low", "high")}
    sizes: Counter[int] = Counter()
    for number in range(rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            told["low"][way].append(Load(_low(shared[way], feeds, period_s, seconds, number), seconds, due_ms))
            before = Counter(shared[way].batches)
            told["high"][way].append(Load(_high(shared[way], feeds, seconds), seconds, due_ms))
            sizes += Counter() if way == WAYS[0] else shared[way].batches - before
    figures: dict[str, Any] = {
        load: {way: _pooled(each).figures for way, each in ways.items()} for load, ways in told.items()
    }
    for load, ways in told.items():
        pairs = [(one.figures, many.figures) for one, many in zip(*(ways[way] for way in WAYS), strict=True)]
        for ratio, key in (("p95_ratio", "p95_ms"), ("throughput_ratio", "per_s")):
            each = [many[key] / one[key] for one, many in pairs]
            figures[load][ratio] = round(statistics.median(each), 3)
            figures[load][f"{ratio}_spread"] = [round(min(each), 3), round(max(each), 3)]
    cost = shared[WAYS[1]].cost
    figures["batch_mean"] = round(sum(n * count for n, count in sizes.items()) / max(1, sum(sizes.values())), 2)
    figures["cost"] = {"call_ms": round(cost.call_ns / NS_PER_MS, 4), "row_ms": round(cost.row_ns / NS_PER_MS, 4)}
    return figures


def _pooled(rounds: list[Load]) -> Load:
    every = tuple(took for one in rounds for took in one.latencies_ms)
    return Load(every, sum(one.seconds for one in rounds), rounds[0].due_ms)


def _low(graph: BatchedGraph, feeds: Tensors, period_s: float, seconds: float, seed: int) -> tuple[float, ...]:
    """Latencies [ms], from when each was due to be asked; the streams' phases are the same for both ways."""
    phases = np.random.default_rng(seed).uniform(0, period_s, LOW_STREAMS)
    start_s = time.monotonic() + period_s / 10
    never = threading.Event()

    def stream(phase: float) -> list[float]:
        told = []
        for number in range(max(1, int(seconds / period_s))):
            due_s = start_s + phase + number * period_s
            never.wait(max(0.0, due_s - time.monotonic()))
            graph.run(feeds)
            told.append(1000 * (time.monotonic() - due_s))
        return told

    with ThreadPoolExecutor(LOW_STREAMS) as pool:
        return tuple(took for told in pool.map(stream, phases.tolist()) for took in told)


def _high(graph: BatchedGraph, feeds: Tensors, seconds: float) -> tuple[float, ...]:
    """Latencies [ms]."""
    end_ns = time.monotonic_ns() + round(seconds * NS_PER_S)

    def stream(_: int) -> list[float]:
        told = []
        while (began_ns := time.monotonic_ns()) < end_ns:
            graph.run(feeds)
            told.append((time.monotonic_ns() - began_ns) / NS_PER_MS)
        return told

    with ThreadPoolExecutor(HIGH_STREAMS) as pool:
        return tuple(took for told in pool.map(stream, range(HIGH_STREAMS)) for took in told)


def _alone_ms(graph: Graph, feeds: Tensors, seconds: float) -> list[float]:
    for _ in range(WARM_UP):
        graph.run(feeds)
    took: list[float] = []
    end_s = time.monotonic() + seconds
    while not took or time.monotonic() < end_s:
        began = time.perf_counter()
        graph.run(feeds)
        took.append(1000 * (time.perf_counter() - began))
    return took
