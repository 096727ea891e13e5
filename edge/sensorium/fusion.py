"""What turns the evidence at hand into an answer: one interface for rules and for learned graphs."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sensorium.events import Candidate
from sensorium.evidence import Evidence, EvidenceFusion


class Fusion(Protocol):
    """Scores candidates from any subset of modalities, the empty one too."""

    def fuse(self, evidences: Sequence[Evidence], now_ns: int, count: int) -> tuple[Candidate, ...]:
        """The ``count`` most probable candidates, with what each modality contributed to them."""
        ...


class OpenVocabulary:
    """Evidence fusion over a fixed set of texts: training-free, with exact contributions."""

    def __init__(self, fusion: EvidenceFusion, texts: Sequence[str]) -> None:
        self._fusion = fusion
        self._candidates = fusion.candidates(tuple(texts))

    def fuse(self, evidences: Sequence[Evidence], now_ns: int, count: int) -> tuple[Candidate, ...]:
        """The ``count`` most probable texts; equal ones in the order they were given."""
        known = [e for e in evidences if (e.sense or e.modality) in self._fusion.config.senses]
        scores = self._fusion.fuse(known, self._candidates, now_ns)
        best = np.argsort(-scores.log_odds, kind="stable")[:count]
        return tuple(
            Candidate(
                scores.candidates[i],
                float(scores.probabilities[i]),
                {modality: float(told[i]) for modality, told in scores.contributions.items()},
            )
            for i in best
        )
