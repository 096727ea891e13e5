"""Questions that a trained model answers itself: its text is the question, the rest is what is sensed now."""

from collections.abc import Sequence

import numpy as np

from sensorium.evidence import Evidence
from sensorium.learned.config import ClassesHead
from sensorium.learned.fusion import FusionGraph, softmax
from sensorium.learned.lines import Reader
from sensorium.steps import Responded

# Of the best label, from which on it is the answer; below, the answers by rules stand, which say what is missing.
ANSWERED = 0.5


class Answerer:
    """Any thread may call it."""

    def __init__(self, graph: FusionGraph, reader: Reader) -> None:
        self._graph, self._reader = graph, reader
        self._name, head = next(iter(graph.config.heads.items()))
        self._labels = head.labels if isinstance(head, ClassesHead) else ()

    def answer(self, question: str, evidences: Sequence[Evidence], now_ns: int) -> Responded | None:
        """The answer and what it rests on; None where the model is not sure of one. Raises BackendError."""
        text = self._reader.tower.modality
        known = {e.modality: e.tokens for e in evidences if e.tokens is not None and e.lasts_until_ns >= now_ns}
        known[text] = self._reader.read(question)
        tokens = {name: known[name] for name in self._graph.config.modalities if name in known}
        logits = self._graph.run(tokens)[self._name]
        probabilities = softmax(logits.astype(np.float64) / self._graph.config.temperature_of(tuple(tokens)))
        best = int(probabilities.argmax())
        if probabilities[best] < ANSWERED:
            return None
        label = self._labels[best]
        return Responded(f"{label[:1].upper()}{label[1:]}.", tuple(tokens))
