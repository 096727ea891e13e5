"""Evidence fusion: what each modality tells about any words, in one text space, added up.

Every modality says what it senses as weighted phrases. A candidate ("a cat") is scored against them:

    logit P(c | modality) = mean * cos(sum of shares, c) + best * max(weight * ramp(cos(sighting, c))) + bias

The first term is ConSE (Norouzi et al., https://arxiv.org/abs/1312.5650) over a classifier's probabilities,
the second takes the nearest detection. What a modality contributes is that logit less the logit of how often
a candidate was present where the numbers were fitted. So contributions add up as independent log likelihood
ratios, any subset of modalities gives an answer, and none gives the prior. A modality is silent on what it
has no words for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, log
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sensorium.clock import NS_PER_S
from sensorium.errors import SampleError, unknown

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], NDArray[np.float32]]  # texts -> unit vectors (n, dims)

LASTS_NS = 10 * NS_PER_S  # older evidence has decayed to nothing by any calibration's half-life
_KEPT_PHRASES = 8192  # centred vectors kept, 3 kB each: all class names and some days of transcripts


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something a modality tells, in words.

    A ``share`` is one of the probabilities of a classifier that had to choose; a ``sighting`` stands for
    itself: a detection, a coloured thing, a sound.
    """

    text: str
    weight: float = 1.0  # 0-1
    kind: Literal["share", "sighting"] = "sighting"

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= 1:
            raise SampleError(f"a phrase's weight lies in 0-1; given {self.weight} for {self.text!r}")


@dataclass(slots=True)  # not frozen: see Finding
class Evidence:
    """One modality's latest result: phrases, tokens of a learned encoder, or both. Nobody changes it.

    No phrases and no tokens mean that it looked and found nothing.
    """

    modality: str
    phrases: tuple[Phrase, ...]
    captured_ns: int
    quality: float = 1.0  # 0-1: how far the stream's health lets it be trusted
    sense: str = ""  # which calibration, e.g. ``speech`` of the modality audio; empty: the modality's own
    tokens: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)  # (1, count, width)
    lasts_ns: int = LASTS_NS  # how long it counts at all

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 1:
            raise SampleError(f"evidence has a quality of 0-1; given {self.quality} for {self.modality}")

    @property
    def lasts_until_ns(self) -> int:
        """The last moment at which it counts."""
        return self.captured_ns + self.lasts_ns


class Calibration(BaseModel):
    """What a sense's similarities are worth; fitted by ``sensorium_compile.fit.evidence``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    mean: float  # log-odds for a cosine of 1 with the shares
    best: float  # log-odds for a sighting of weight 1 that is the candidate
    bias: float
    floor: Annotated[float, Field(ge=-1, lt=1)]  # cosine from which on a sighting counts
    base_rate: Annotated[float, Field(gt=0, lt=1)]  # how often a candidate was present in the fit
    half_life_s: Annotated[float, Field(gt=0)]  # after which the evidence counts half
    vocabulary: tuple[str, ...] = ()  # all it has words for; empty: (nearly) everything
    provenance: str = ""  # data, command and figures of the fit


class FusionConfig(BaseModel):
    """All constants of evidence fusion, as a bundle carries them."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    prior: Annotated[float, Field(gt=0, lt=1)]  # probability of a candidate before anything is sensed
    senses: dict[str, Calibration]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What is looked for."""

    texts: tuple[str, ...]
    vectors: Floats  # (n, dims), centred unit vectors
    within: Mapping[str, Floats]  # sense -> (n,) in 0-1: how far it has words for each


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How likely each candidate is present, and why."""

    candidates: tuple[str, ...]
    prior: float  # log-odds
    contributions: dict[str, Floats]  # modality -> (n,) log-odds, in sorted order of modality
    log_odds: Floats  # (n,): the prior, plus every contribution in that order, exactly

    @property
    def probabilities(self) -> Floats:
        """P(present), (n,)."""
        return sigmoid(self.log_odds)


class EvidenceFusion:
    """Scores candidates from whatever evidence is at hand. ``centre`` is the mean of the space, (dims,)."""

    def __init__(
        self,
        embed: Embed,
        centre: NDArray[np.float32],
        config: FusionConfig,
        known: dict[str, Floats] | None = None,
    ) -> None:
        self._embed, self._centre, self.config = embed, centre.astype(np.float64), config
        self._rows = {} if known is None else known  # text -> centred unit vector
        self._words = {name: self.vectors(c.vocabulary) for name, c in config.senses.items() if c.vocabulary}

    def with_senses(self, senses: Mapping[str, Calibration]) -> "EvidenceFusion":
        """The same space with other constants: for fitting them."""
        config = self.config.model_copy(update={"senses": dict(senses)})
        return EvidenceFusion(self._embed, self._centre.astype(np.float32), config, self._rows)

    def vectors(self, texts: Sequence[str]) -> Floats:
        """Centred unit vectors (n, dims); a text that is the centre itself gives zeros."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if fresh:
            if len(self._rows) + len(fresh) > _KEPT_PHRASES:
                self._rows.clear()
                fresh = list(dict.fromkeys(texts))
            self._rows.update(zip(fresh, self._centred(self._embed(fresh)), strict=True))
        return np.stack([self._rows[text] for text in texts]) if texts else np.zeros((0, len(self._centre)))

    def candidates(self, texts: Sequence[str]) -> Candidates:
        """Prepare what is looked for: once per set, not per tick."""
        vectors = self.vectors(texts)
        within = {name: self._within(name, vectors) for name in self.config.senses}
        return Candidates(tuple(texts), vectors, within)

    def log_odds(self, evidence: Evidence, candidates: Candidates) -> Floats:
        """What fresh, fully trusted evidence contributes to each candidate, (n,) log-odds."""
        calibration = self._calibration(evidence)
        mean, best = self.similarities(evidence, candidates)
        logit = calibration.mean * mean + calibration.best * best + calibration.bias
        told: Floats = (logit - logit_of(calibration.base_rate)) * candidates.within[
            evidence.sense or evidence.modality
        ]
        return told

    def similarities(self, evidence: Evidence, candidates: Candidates) -> tuple[Floats, Floats]:
        """What the calibration weighs: the cosine with the shares (n,), and the best sighting in 0-1 (n,)."""
        # Sorted, so that a sum does not depend on the order in which phrases were told.
        shares = sorted((p.text, p.weight) for p in evidence.phrases if p.kind == "share")
        sightings = [(p.text, p.weight) for p in evidence.phrases if p.kind == "sighting"]
        mean = best = np.zeros(len(candidates.texts))
        if shares:
            weights = np.array([weight for _, weight in shares])  # (shares,)
            mean = candidates.vectors @ _unit(weights @ self.vectors([text for text, _ in shares]))
        if sightings:
            weights = np.array([weight for _, weight in sightings])[:, None]  # (sightings, 1)
            cosines = self.vectors([text for text, _ in sightings]) @ candidates.vectors.T
            best = (weights * ramp(cosines, self._calibration(evidence).floor)).max(axis=0)
        return mean, best

    def fuse(self, evidences: Iterable[Evidence], candidates: Candidates, now_ns: int) -> Scores:
        """Any evidence, in any order, also none; older evidence counts less."""
        contributions: dict[str, Floats] = {}
        for evidence in sorted(evidences, key=_order):
            share = self._trust(evidence, now_ns) * self.log_odds(evidence, candidates)
            before = contributions.get(evidence.modality)
            contributions[evidence.modality] = share if before is None else before + share
        prior = logit_of(self.config.prior)
        total = np.full(len(candidates.texts), prior)
        for contribution in contributions.values():
            total = total + contribution
        return Scores(candidates.texts, prior, contributions, total)

    def _calibration(self, evidence: Evidence) -> Calibration:
        sense = evidence.sense or evidence.modality
        if sense not in self.config.senses:
            raise SampleError(unknown("calibration for the sense", sense, self.config.senses))
        return self.config.senses[sense]

    def _within(self, sense: str, vectors: Floats) -> Floats:
        """1 where the sense has a word for the candidate, 0 where its nearest word means nothing like it."""
        if sense not in self._words or not len(vectors):
            return np.ones(len(vectors))
        nearest: Floats = ramp(vectors @ self._words[sense].T, self.config.senses[sense].floor).max(axis=1)
        return nearest

    def _trust(self, evidence: Evidence, now_ns: int) -> float:
        age_s = max(0, now_ns - evidence.captured_ns) / NS_PER_S
        return float(evidence.quality * 0.5 ** (age_s / self._calibration(evidence).half_life_s))

    def _centred(self, vectors: NDArray[np.float32]) -> Floats:
        return np.stack([_unit(row) for row in vectors.astype(np.float64) - self._centre])


def ramp(cosines: Floats, floor: float) -> Floats:
    """0 up to ``floor``, then straight to 1 at a cosine of 1."""
    out: Floats = np.clip((cosines - floor) / (1 - floor), 0.0, 1.0)
    return out


def sigmoid(log_odds: Floats) -> Floats:
    """Probability, without overflow."""
    out: Floats = 0.5 * (1 + np.tanh(0.5 * log_odds))
    return out


def logit_of(probability: float) -> float:
    """Log-odds of a probability in (0, 1)."""
    return log(probability / (1 - probability))


def _unit(vector: Floats) -> Floats:
    length = float(np.sqrt(vector @ vector))
    return vector / length if isfinite(length) and length > 1e-9 else np.zeros_like(vector)


def _order(evidence: Evidence) -> tuple[str, str, int, float, list[tuple[str, float, str]]]:
    phrases = sorted((p.text, p.weight, str(p.kind)) for p in evidence.phrases)
    return evidence.modality, evidence.sense, evidence.captured_ns, evidence.quality, phrases
