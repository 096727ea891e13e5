"""Learned fusion: tokens of whatever senses are fresh through one graph, and what each of them changed.

Beside evidence fusion, through the same interface. A contribution is found by leaving a modality out: the log-odds of
that answer with all that is there, less those without it (with one sense there: less the prior, which is what the graph
says with nothing). Unlike evidence fusion's, they need not add up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium.backends import Graph
from sensorium.errors import BackendError, BundleError
from sensorium.events import Candidate
from sensorium.evidence import Evidence, sigmoid
from sensorium.learned.config import PRESENCE, ModelConfig, subset_name
from sensorium.learned.tower import Tokens
from sensorium.samples import Array

Floats = NDArray[np.float64]

SURE = 1e-6  # probabilities are kept so far from 0 and 1: log-odds of 14 are as sure as any model may be


class FusionGraph:
    """The graph ``fusion``: tokens and presence in, one array a head out. Any thread may run it; one at a time does."""

    def __init__(self, config: ModelConfig, graph: Graph) -> None:
        """Raises BundleError where its inputs and outputs are not the modalities and heads of the config."""
        self.config = config
        self._graph, self._lock = graph, Lock()
        shapes = {spec.name: spec.shape for spec in graph.inputs}
        wanted, heads = {*config.modalities, PRESENCE}, {spec.name for spec in graph.outputs}
        if set(shapes) != wanted:
            raise BundleError(f"the fusion graph takes {sorted(shapes)}; the model has {sorted(wanted)}")
        if not set(config.heads) <= heads:
            raise BundleError(f"the fusion graph gives {sorted(heads)}; the model has heads {sorted(config.heads)}")
        self._zeros = {name: np.zeros((1, *shapes[name][1:]), np.float32) for name in config.modalities}

    def run(self, tokens: Mapping[str, Tokens]) -> dict[str, Array]:
        """Every head's output (n,) from the tokens of the modalities that are there; raises BackendError."""
        presence = np.array([[float(name in tokens) for name in self.config.modalities]], np.float32)
        with self._lock:
            out = self._graph.run({**self._zeros, **tokens, PRESENCE: presence})
            told = {name: np.array(out[name][0], np.float32) for name in self.config.heads}
        for name, values in told.items():
            if not np.isfinite(values).all():
                there = subset_name(tuple(tokens))
                raise BackendError(f"the fusion graph gave NaN or infinite values of {name} with {there} present")
        return told


class Scorer(Protocol):
    """Turns a head's output into probabilities of texts."""

    texts: tuple[str, ...]

    def probabilities(self, output: NDArray[np.float32], temperature: float) -> Floats:
        """(n,) of the head -> (texts,)."""
        ...


class ClassScorer:
    """Labels by the softmax of their logits; ``only`` these are told, where any of them is a label."""

    def __init__(self, labels: Sequence[str], only: Sequence[str] = ()) -> None:
        kept = [i for i, label in enumerate(labels) if label in only] or list(range(len(labels)))
        self.texts = tuple(labels[i] for i in kept)
        self._kept = kept

    def probabilities(self, output: NDArray[np.float32], temperature: float) -> Floats:
        """See Scorer."""
        return softmax(output.astype(np.float64) / temperature)[self._kept]


class TextScorer:
    """Texts by the cosine of their vectors (texts, dims) with the head's."""

    def __init__(self, texts: Sequence[str], vectors: NDArray[np.float32], scale: float, bias: float | None) -> None:
        self.texts = tuple(texts)
        self._vectors, self._scale, self._bias = vectors, scale, bias

    def probabilities(self, output: NDArray[np.float32], temperature: float) -> Floats:
        """See Scorer."""
        scores = self._scale * (self._vectors @ output).astype(np.float64)  # (texts,)
        if self._bias is None:
            return softmax(scores / temperature)
        return sigmoid((scores + self._bias) / temperature)


class Words(Protocol):
    """Reads what was said, for a model that has text among its modalities."""

    def read(self, text: str) -> Tokens:
        """The tokens of a text."""
        ...


@dataclass(slots=True)
class _Told:
    """What was last computed, and from which tokens."""

    tokens: dict[str, Tokens] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()

    def is_of(self, tokens: Mapping[str, Tokens]) -> bool:
        """Whether it was computed from these very arrays."""
        return list(tokens) == list(self.tokens) and all(tokens[name] is self.tokens[name] for name in tokens)


class LearnedFusion:
    """See the module. One thread at a time uses it."""

    def __init__(self, graph: FusionGraph, scorer: Scorer, words: Words | None = None) -> None:
        """``words``: what was said aloud counts as the model's text, where it is newer than what was typed."""
        self._graph, self._scorer, self._words = graph, scorer, words
        self._head = next(iter(graph.config.heads))
        self._prior: Floats | None = None
        self._said: tuple[str, Tokens] | None = None
        self._told: _Told | None = None

    def fuse(self, evidences: Sequence[Evidence], now_ns: int, count: int) -> tuple[Candidate, ...]:
        """The ``count`` most probable texts; of the same tokens the same, without running a graph again."""
        tokens = self._present(evidences, now_ns)
        if self._told is None or not self._told.is_of(tokens):
            self._told = _Told(tokens, self._candidates(tokens))
        return self._told.candidates[:count]

    def _present(self, evidences: Sequence[Evidence], now_ns: int) -> dict[str, Tokens]:
        """The newest tokens of each modality that still counts, in the model's order."""
        newest: dict[str, tuple[int, Tokens]] = {}
        for evidence in evidences:
            if evidence.tokens is not None and evidence.lasts_until_ns >= now_ns:
                known = newest.get(evidence.modality)
                if known is None or evidence.captured_ns > known[0]:
                    newest[evidence.modality] = (evidence.captured_ns, evidence.tokens)
        self._add_said(evidences, newest)
        return {name: newest[name][1] for name in self._graph.config.modalities if name in newest}

    def _add_said(self, evidences: Sequence[Evidence], newest: dict[str, tuple[int, Tokens]]) -> None:
        """What was said aloud, as text."""
        modality = self._graph.config.text_modality
        spoken = [e for e in evidences if e.sense == "speech" and e.phrases]
        if self._words is None or modality is None or not spoken:
            return
        said = max(spoken, key=lambda e: e.captured_ns)
        if modality in newest and newest[modality][0] >= said.captured_ns:
            return
        text = said.phrases[0].text
        if self._said is None or self._said[0] != text:
            self._said = (text, self._words.read(text))
        newest[modality] = (said.captured_ns, self._said[1])

    def _candidates(self, tokens: Mapping[str, Tokens]) -> tuple[Candidate, ...]:
        probabilities = self._probabilities(tokens)
        log_odds = _log_odds(probabilities)
        told = {name: log_odds - _log_odds(self._without(tokens, name)) for name in tokens}
        best = np.argsort(-probabilities, kind="stable")
        return tuple(
            Candidate(
                self._scorer.texts[i],
                float(probabilities[i]),
                {name: float(changes[i]) for name, changes in told.items()},
            )
            for i in best
        )

    def _without(self, tokens: Mapping[str, Tokens], left_out: str) -> Floats:
        return self._probabilities({name: own for name, own in tokens.items() if name != left_out})

    def _probabilities(self, tokens: Mapping[str, Tokens]) -> Floats:
        if not tokens and self._prior is not None:
            return self._prior
        output = self._graph.run(tokens)[self._head]
        temperature = self._graph.config.temperature_of(tuple(tokens))
        probabilities = self._scorer.probabilities(output, temperature)
        if not tokens:
            self._prior = probabilities
        return probabilities


def softmax(scores: Floats) -> Floats:
    """Probabilities (n,) of scores (n,)."""
    shifted = np.exp(scores - scores.max())
    out: Floats = shifted / shifted.sum()
    return out


def _log_odds(probabilities: Floats) -> Floats:
    kept = np.clip(probabilities, SURE, 1 - SURE)
    out: Floats = np.log(kept) - np.log1p(-kept)
    return out
