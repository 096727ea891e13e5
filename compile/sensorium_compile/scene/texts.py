"""The text space: MiniLM's vectors of texts, less what all texts have in common."""

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sensorium.backends import open_graph
from sensorium.components.embedder import SentenceGraph, WordPiece
from sensorium_compile.parts import embedder
from sensorium_compile.scene.space import centred
from sensorium_compile.zoo import Weights


class TextSpace:
    """Texts -> centred unit vectors, the same as a bundle's embedder gives."""

    def __init__(self, weights: Weights) -> None:
        settings = json.loads(weights.path(embedder.TOKENIZER).read_text("utf-8"))
        vocabulary = embedder.in_order(settings["model"]["vocab"])
        graph = open_graph(embedder._ENTRY, weights.path(embedder.MODEL).read_bytes(), threads=1)
        self._sentences = SentenceGraph(graph, WordPiece(vocabulary, int(settings["truncation"]["max_length"])))
        self._known: dict[str, NDArray[np.float32]] = {}
        self._centre = embedder.centre({name: self._vector(name) for name in embedder.known_names(weights)})

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, 384)."""
        return centred(np.stack([self._vector(text) for text in texts]), self._centre)

    def _vector(self, text: str) -> NDArray[np.float32]:
        if text not in self._known:
            self._known[text] = self._sentences.vector(text)
        return self._known[text]
