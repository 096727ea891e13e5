"""How long answers take: several forms of a model in turn (A B C A B C ...), so that a busy moment hits them all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np

from sensorium.backends import Graph
from sensorium.learned.config import FUSION
from sensorium.samples import Array
from sensorium_compile.data.examples import subsets
from sensorium_compile.verify.opened import OpenedModel

ROUNDS = 30
RUNS_A_TURN = 3  # after one that is not counted: it fetches the form's weights into the caches again
WARM_UP = 5  # answers before the first round: allocations, lazily built kernels
NS_PER_MS = 1e6

Progress = Callable[[int, int], None]  # rounds done, rounds in all


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one thing that was run many times [ms]."""

    median_ms: float
    p95_ms: float
    low_ms: float  # quarter of the runs are faster
    high_ms: float  # quarter of the runs are slower
    runs: int

    @property
    def spread_ms(self) -> float:
        """Interquartile range."""
        return self.high_ms - self.low_ms


@dataclass(frozen=True, slots=True)
class FormLatency:
    """One form: every subset's answer (its encoders, then the fusion), and every graph by itself."""

    subsets: Mapping[str, Latency]
    graphs: Mapping[str, Latency]
    size_bytes: int

    @property
    def ms(self) -> float:
        """Median of an answer with every sense."""
        return max(self.subsets.items(), key=lambda item: item[0].count("+"))[1].median_ms


def measure(
    forms: Mapping[str, OpenedModel],
    samples: Mapping[str, Array],
    *,
    rounds: int = ROUNDS,
    progress: Progress = lambda *_: None,
) -> dict[str, FormLatency]:
    """Time every form on the same prepared samples (modality -> (1, ...)), interleaved; forms on one thread each.

    A subset's answer is its encoders and the fusion, so it is the sum of their times within one run.
    """
    for form in forms.values():
        for _ in range(WARM_UP):
            _run(form, samples)
    times: dict[str, list[dict[str, int]]] = {name: [] for name in forms}
    for done in range(rounds):
        for name, form in forms.items():
            _run(form, samples)
            times[name] += [_run(form, samples) for _ in range(RUNS_A_TURN)]
        progress(done + 1, rounds)
    return {name: _form_latency(form, times[name]) for name, form in forms.items()}


def measure_graphs(
    graphs: Mapping[str, tuple[Graph, Mapping[str, Array]]], *, rounds: int = ROUNDS
) -> dict[str, Latency]:
    """Time single graphs, each with its feeds, interleaved."""
    for graph, feeds in graphs.values():
        for _ in range(WARM_UP):
            graph.run(feeds)
    times: dict[str, list[int]] = {name: [] for name in graphs}
    for _ in range(rounds):
        for name, (graph, feeds) in graphs.items():
            graph.run(feeds)
            for _ in range(RUNS_A_TURN):
                begun = perf_counter_ns()
                graph.run(feeds)
                times[name].append(perf_counter_ns() - begun)
    return {name: latency(taken) for name, taken in times.items()}


def latency(taken_ns: Sequence[int] | Array) -> Latency:
    """Figures of many runs [ns]."""
    low, median, high, p95 = np.percentile(np.asarray(taken_ns), (25, 50, 75, 95)) / NS_PER_MS
    return Latency(float(median), float(p95), float(low), float(high), len(taken_ns))


def _run(form: OpenedModel, samples: Mapping[str, Array]) -> dict[str, int]:
    """One answer with every sense; the time of each graph [ns]."""
    times: dict[str, int] = {}
    tokens: dict[str, Array] = {}
    for modality in form.modalities:
        begun = perf_counter_ns()
        tokens[modality] = form.encode(modality, samples[modality])
        times[modality] = perf_counter_ns() - begun
    begun = perf_counter_ns()
    form.fuse(tokens, (True,) * len(tokens))
    times[FUSION] = perf_counter_ns() - begun
    return times


def _form_latency(form: OpenedModel, times: Sequence[Mapping[str, int]]) -> FormLatency:
    by_graph = {name: np.array([one[name] for one in times]) for name in times[0]}
    by_subset = {
        subset: by_graph[FUSION] + sum(by_graph[m] for m in subset.split("+")) for subset in subsets(form.modalities)
    }
    return FormLatency(
        {subset: latency(taken) for subset, taken in by_subset.items()},
        {name: latency(taken) for name, taken in by_graph.items()},
        form.size_bytes,
    )
