"""Why an answer is what it is: what each sense added to it, and what the answer would be without that sense.

Contributions are log-odds, and taking one away from every candidate is exact in both kinds of fusion: evidence fusion
adds them up, learned fusion found them by leaving the sense out. Only candidates that the percept tells take part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from sensorium.events import Candidate, Percept, Sensed

LEAST = 1e-9  # a told probability is rounded, and 0 and 1 have no log-odds
STANDS = 2  # percepts in a row that an answer must stand for, to be worth telling
SURE = 0.5  # its probability at least


@dataclass(frozen=True, slots=True)
class Answer:
    """A text and how probable it is."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Share:
    """One sense's part in an answer."""

    modality: str
    sensed: Sensed
    adds: float | None  # log-odds for the answer; None: it said nothing
    without: Answer | None  # the best answer without it; None where it said nothing


@dataclass(frozen=True, slots=True)
class Explanation:
    """The best answer of a percept, and why."""

    answer: Answer
    shares: tuple[Share, ...]

    @property
    def causes(self) -> tuple[str, ...]:
        """The senses that speak for the answer, the strongest first; none where only the prior does."""
        adds = {share.modality: share.adds for share in self.shares if share.adds is not None and share.adds > 0}
        return tuple(sorted(adds, key=lambda modality: -adds[modality]))


def explain(candidates: Sequence[Candidate], senses: Mapping[str, Sensed]) -> Explanation | None:
    """Why the first of these candidates is the answer; None where there is none."""
    if not candidates:
        return None
    best = candidates[0]
    shares = []
    for modality, sensed in senses.items():
        adds = best.contributions.get(modality)
        spoke = any(modality in candidate.contributions for candidate in candidates)
        shares.append(Share(modality, sensed, adds, without(candidates, modality) if spoke else None))
    return Explanation(Answer(best.text, best.probability), tuple(shares))


def without(candidates: Sequence[Candidate], modality: str) -> Answer:
    """The best of these candidates, had this sense told nothing; of equal ones the first."""
    left = [Answer(c.text, _less(c.probability, c.contributions.get(modality, 0.0))) for c in candidates]
    return max(left, key=lambda answer: answer.probability)


@dataclass(slots=True)
class Changes:
    """Picks the percepts whose answer is news."""

    _standing: str = ""
    _count: int = 0
    _told: str = ""

    def take(self, percept: Percept) -> Explanation | None:
        """The explanation, where the best answer is a new one that stands."""
        found = explain(percept.candidates, percept.senses)
        if found is None or not found.causes or found.answer.probability < SURE:
            self._standing = self._told = ""
            return None
        same = found.answer.text == self._standing
        self._standing, self._count = found.answer.text, self._count + 1 if same else 1
        if self._count < STANDS or found.answer.text == self._told:
            return None
        self._told = found.answer.text
        return found


def _less(probability: float, log_odds: float) -> float:
    """The probability after these log-odds are taken away."""
    kept = min(max(probability, LEAST), 1 - LEAST)
    return 1 / (1 + exp(min(700.0, log_odds - log(kept / (1 - kept)))))
