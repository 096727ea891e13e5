"""A learned model as graphs that a backend runs: an encoder for each sense, and the fusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium.backends import Graph, open_graph
from sensorium.bundle import GraphEntry, Part
from sensorium.samples import Array
from sensorium_compile.errors import CompileError

FUSION, PRESENCE, SAMPLE, TOKENS = "fusion", "presence", "sample", "tokens"  # names of the model contract


@dataclass(frozen=True, slots=True, eq=False)
class OpenedModel:
    """The opened graphs of one form of a model. One thread at a time uses it."""

    encoders: Mapping[str, Graph]  # by modality, in the model's order
    fusion: Graph
    size_bytes: int = 0  # of all graphs, as stored

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

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of the presence mask."""
        return tuple(self.encoders)

    def encode(self, modality: str, sample: Array) -> Array:
        """Tokens (1, count, width) of one prepared sample (1, ...)."""
        return self.encoders[modality].run({SAMPLE: sample})[TOKENS]

    def fuse(self, tokens: Mapping[str, Array], presence: Sequence[bool] | NDArray[np.float32]) -> dict[str, Array]:
        """Outputs by head; what a modality without tokens is fed does not matter, so zeros go there."""
        feeds: dict[str, Array] = {
            spec.name: tokens[spec.name] if spec.name in tokens else np.zeros(spec.shape, np.float32)
            for spec in self.fusion.inputs
            if spec.name != PRESENCE
        }
        feeds[PRESENCE] = np.asarray(presence, np.float32)[None]
        return self.fusion.run(feeds)
