"""A learned model as graphs that a backend runs: an encoder for each sense, and the fusion."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.backends import Graph, open_graph
from sensorium.bundle import GraphEntry, Part, TensorSpec
from sensorium.learned.config import FUSION, PRESENCE, SAMPLE, TOKENS
from sensorium.samples import Array
from sensorium_compile.errors import CompileError

BATCH = 64  # for graphs that take any number

Told: TypeAlias = Callable[[int], None]  # how many samples are done
Memory: TypeAlias = dict[tuple[str, bytes], dict[str, Array]]  # (graph, what it was fed) -> what it gave


def fed_digest(feeds: Mapping[str, Array]) -> bytes:
    """What tells feeds of one graph apart."""
    fed = hashlib.blake2b(digest_size=24)
    for value in feeds.values():
        fed.update(np.ascontiguousarray(value).data)
    return fed.digest()


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """A graph that runs once for each input: forms share encoders, and a few examples are asked before all."""

    graph: Graph
    name: str  # graphs of one name give the same
    memory: Memory

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """See Graph."""
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """See Graph."""
        return self.graph.outputs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """See Graph."""
        key = (self.name, fed_digest(feeds))
        if key not in self.memory:
            self.memory[key] = self.graph.run(feeds)
        return self.memory[key]


@dataclass(frozen=True, slots=True, eq=False)
class OpenedModel:
    """The opened graphs of one form of a model. One thread at a time uses it."""

    encoders: Mapping[str, Graph]  # by modality, in the model's order
    fusion: Graph
    size_bytes: int = 0  # of all graphs, as stored
    workers: int = 1  # runs at once, where graphs may be called so

    def __post_init__(self) -> None:
        expected = (*self.encoders, PRESENCE)
        given = tuple(spec.name for spec in self.fusion.inputs)
        if set(given) != set(expected):
            raise CompileError(
                f"the graph {FUSION} takes {', '.join(given)}; to go with its encoders it must take "
                f"{', '.join(expected)}"
            )

    @classmethod
    def open(cls, graphs: Mapping[str, tuple[GraphEntry, Path | bytes]], *, threads: int = 1) -> Self:
        """From entries and models by name: one a modality, and ``fusion``."""
        if FUSION not in graphs or len(graphs) < 2:
            raise CompileError(
                f"a model has a graph for each modality and one named {FUSION}; given {', '.join(graphs)}"
            )
        opened = {name: open_graph(entry, model, threads=threads) for name, (entry, model) in graphs.items()}
        fusion = opened.pop(FUSION)
        order = [spec.name for spec in fusion.inputs if spec.name in opened]
        size = sum(len(m) if isinstance(m, bytes) else m.stat().st_size for _, m in graphs.values())
        return cls({name: opened[name] for name in order} or opened, fusion, size)

    @classmethod
    def of_part(cls, part: Part, *, threads: int = 1) -> Self:
        """From the part of a bundle with role ``model``."""
        entries = part.entry.graphs
        return cls.open(
            {name: (entry, part.bundle.locate(entry.file)) for name, entry in entries.items()}, threads=threads
        )

    def remembering(self, names: Mapping[str, str], memory: Memory) -> Self:
        """The same with encoders that remember; ``names`` gives what identifies each, such as its digest."""
        return replace(self, encoders={n: Remembered(g, names[n], memory) for n, g in self.encoders.items()})

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of the presence mask."""
        return tuple(self.encoders)

    def encode(self, modality: str, samples: Array, told: Told = lambda _: None) -> Array:
        """Tokens (n, count, width) of prepared samples (n, ...), in batches of the size that the graph takes.

        ``told`` is told after each how many samples are done.
        """
        graph = self.encoders[modality]
        size = _batch(graph)
        fed = [{SAMPLE: samples[i : i + size]} for i in range(0, len(samples), size)]
        batches = [made[TOKENS] for made in self._each(graph, fed, size, told)]
        return batches[0] if len(batches) == 1 else np.concatenate(batches)

    def fuse(
        self, tokens: Mapping[str, Array], presence: Sequence[bool] | NDArray[Any], told: Told = lambda _: None
    ) -> dict[str, Array]:
        """Outputs (n, ...) by head, from tokens (n, count, width) of what is present, all with one presence mask.

        What a modality without tokens is fed does not matter, so zeros go there.
        """
        n = len(next(iter(tokens.values())))
        size = _batch(self.fusion)
        fed = [self._fed({m: t[i : i + size] for m, t in tokens.items()}, presence) for i in range(0, n, size)]
        batches = list(self._each(self.fusion, fed, size, told))
        return {head: np.concatenate([batch[head] for batch in batches]) for head in batches[0]}

    def _each(
        self, graph: Graph, feeds: Sequence[Mapping[str, Array]], size: int, told: Told
    ) -> Iterator[Mapping[str, Array]]:
        for done, made in enumerate(self._answers(graph, feeds), 1):
            told(done * size)
            yield made

    def _answers(self, graph: Graph, feeds: Sequence[Mapping[str, Array]]) -> Iterator[Mapping[str, Array]]:
        if self.workers == 1:
            yield from map(graph.run, feeds)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(graph.run, feeds)

    def _fed(self, tokens: Mapping[str, Array], presence: Sequence[bool] | NDArray[Any]) -> dict[str, Array]:
        n = len(next(iter(tokens.values())))
        feeds: dict[str, Array] = {
            spec.name: tokens[spec.name] if spec.name in tokens else np.zeros((n, *spec.shape[1:]), np.float32)
            for spec in self.fusion.inputs
            if spec.name != PRESENCE
        }
        feeds[PRESENCE] = np.tile(np.asarray(presence, np.float32), (n, 1))
        return feeds


def _batch(graph: Graph) -> int:
    """How many examples the graph takes at once."""
    size = graph.inputs[0].shape[0]
    return size if size > 0 else BATCH
