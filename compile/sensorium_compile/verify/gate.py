"""The gate: what a form of the model loses for EVERY subset of its senses, and whether it may ship.

Intervals are percentile bootstraps over examples (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13): `RESAMPLES` resamples from a fixed seed, so that the same answers give the same interval. Two forms
are compared example by example (a paired bootstrap of the differences), which is far narrower than comparing two
intervals. Calibration error is that of Guo et al., https://arxiv.org/abs/1706.04599.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium.samples import Array
from sensorium_compile.errors import CompileError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RESAMPLES = 2_000  # Efron and Tibshirani: 1,000 and more for percentile intervals
LEVEL = 0.95
SEED = 0
ECE_BINS = 15  # Guo et al.
POINTS = 100.0  # a point is a hundredth


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that holds it with 95%."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class SubsetScores:
    """What one form answered where one subset of senses was present."""

    values: Floats  # (n,) how right each answer is, 0..1: 1 or 0 for a class, average precision for a search
    examples: Ints  # (n,) which examples these are, ascending: two forms are paired by it
    logits: Floats | None = None  # (n, classes), divided by the temperature; None where there are no classes
    labels: Ints | None = None  # (n,)
    finite: bool = True  # whether every output was a number
    # (n,) False where the same samples were answered before, paired with another of an absent sense: such an example
    # is no new evidence, so it counts in no figure. None: all count.
    distinct: Bools | None = None

    @classmethod
    def of_logits(
        cls,
        logits: Array,
        labels: Array,
        *,
        examples: Array | None = None,
        temperature: float = 1.0,
        distinct: Bools | None = None,
    ) -> Self:
        """From logits (n, classes) and class indices (n,); an answer that is no number counts as wrong."""
        logits = np.asarray(logits, np.float64) / temperature
        labels = np.asarray(labels, np.int64)
        if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
            raise CompileError(
                f"scores are logits (n, classes) and labels (n,), n at least 1; given {logits.shape}, {labels.shape}"
            )
        if labels.min() < 0 or labels.max() >= logits.shape[1]:
            raise CompileError(
                f"labels go from {labels.min()} to {labels.max()}, the head has {logits.shape[1]} classes; "
                "the recipe's labels and the head must match"
            )
        fine = np.asarray(np.isfinite(logits).all(axis=1))
        logits = np.where(fine[:, None], logits, 0.0)
        values = ((logits.argmax(axis=1) == labels) & fine).astype(np.float64)
        return cls(values, _examples(examples, len(values)), logits, labels, bool(fine.all()), distinct)

    @classmethod
    def of_values(cls, values: Array, *, examples: Array | None = None) -> Self:
        """From a figure per example in 0..1, such as average precision; one that is no number counts as 0."""
        values = np.asarray(values, np.float64)
        if values.ndim != 1 or not len(values):
            raise CompileError(f"scores are values (n,), n at least 1; given {values.shape}")
        fine = np.isfinite(values)
        return cls(np.where(fine, values, 0.0), _examples(examples, len(values)), finite=bool(fine.all()))

    @property
    def decisions(self) -> Ints | None:
        """The class chosen for each example, (n,)."""
        return None if self.logits is None else self.logits.argmax(axis=1)


Scores = Mapping[str, SubsetScores]  # by subset: "vision", "audio", "vision+audio"


@dataclass(frozen=True, slots=True)
class SubsetFigures:
    """What is told of one subset; against a reference, what changed."""

    accuracy: float
    low: float
    high: float
    n: int
    ece: float | None = None
    agreement: float | None = None  # share of examples with the reference's decision
    drop: Interval | None = None  # points lost to the reference, positive is worse


@dataclass(frozen=True, slots=True)
class Shift:
    """How much a sense moves the answer, in mean absolute log-odds, in the reference and in the candidate."""

    before: float
    after: float

    @property
    def change(self) -> float:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Rules:
    """What a candidate may lose."""

    max_drop_points: float = 1.0  # in the worst subset, against the float model
    min_accuracy: float = 0.0  # of the worst subset
    min_agreement: float = 0.0  # share of decisions, in the subset that agrees least
    # Two forms of one speed, measured interleaved, differ by about so much from run to run.
    slower_share: float = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A form of the model (teacher, student, or one backend and precision) with what was measured of it."""

    name: str
    scores: Scores
    ms: float | None = None  # median of one answer with every sense
    float_ms: float | None = None  # the same, of its float form on the same backend, interleaved with it
    fallbacks: tuple[str, ...] = ()  # operators that the backend did not take, "LayerNormalization x12"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may ship; ``reasons`` are why not, ``notes`` what is told beside."""

    passed: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bootstrap(values: Array) -> Interval:
    """Mean of values (n,) with its 95% percentile interval.

    A resample depends only on how often each distinct value is drawn, so those counts are drawn from their
    multinomial distribution instead of n indices: exactly the bootstrap, at the cost of the distinct values.
    Where all values are 0 or all are 1, every resample is the same and the bootstrap would claim certainty:
    there the exact binomial bound (Clopper and Pearson, 1934) is told instead.
    """
    values = np.asarray(values, np.float64)
    n, mean = len(values), float(values.mean())
    tail = (1 - LEVEL) / 2
    if mean in (0.0, 1.0) and bool((values == mean).all()):
        edge = tail ** (1 / n)
        return Interval(mean, edge, 1.0) if mean else Interval(mean, 0.0, 1 - edge)
    distinct, counts = np.unique(values, return_counts=True)
    draws = np.random.default_rng(SEED).multinomial(n, counts / n, size=RESAMPLES)  # (resamples, distinct)
    low, high = np.quantile(draws @ distinct / n, (tail, 1 - tail))
    return Interval(mean, float(low), float(high))


def figures(scores: Scores, reference: Scores | None = None) -> dict[str, SubsetFigures]:
    """Figures of every subset; with a reference, agreement and drop too. Raises CompileError if they do not pair."""
    if reference is not None and set(reference) != set(scores):
        raise CompileError(f"subsets {', '.join(scores)} cannot be compared with {', '.join(reference)}")
    return {subset: _subset(one, reference[subset] if reference else None) for subset, one in scores.items()}


def worst(told: Mapping[str, SubsetFigures]) -> tuple[str, SubsetFigures]:
    """The subset that is answered worst."""
    return min(told.items(), key=lambda item: item[1].accuracy)


def ece(logits: Array, labels: Array, bins: int = ECE_BINS) -> float:
    """Expected calibration error: over bins of confidence, |accuracy - confidence| weighted by their share."""
    probabilities = _softmax(np.asarray(logits, np.float64))
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # bins (i/15, (i+1)/15]
    gaps = np.bincount(index, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(right))


def contributions(scores: Scores) -> dict[str, float]:
    """Per sense, the mean absolute change of the answer's log-odds when that sense is left out.

    The answer is the one given with every sense; empty where only one sense is there, or no classes are.
    """
    whole_name = max(scores, key=lambda name: name.count("+"), default="")
    modalities = whole_name.split("+")
    whole = scores.get(whole_name)
    if whole is None or whole.logits is None or len(modalities) < 2:
        return {}
    told = {}
    for modality in modalities:
        rest = scores.get("+".join(m for m in modalities if m != modality))
        if rest is not None and rest.logits is not None:
            told[modality] = _left_out(whole, rest)
    return told


def contribution_shift(candidate: Scores, reference: Scores) -> dict[str, Shift]:
    """Per sense, how much it moves answers in the reference and in the candidate."""
    before, after = contributions(reference), contributions(candidate)
    return {modality: Shift(before[modality], after[modality]) for modality in before if modality in after}


def judge(candidate: Form, reference: Form, rules: Rules = Rules()) -> Verdict:
    """Whether the candidate may ship in the reference's place; every reason is a sentence with its numbers."""
    told = figures(candidate.scores, reference.scores)
    before = figures(reference.scores)
    reasons = [
        *_not_finite(candidate),
        *_drops(told, before, rules),
        *_too_low(told, rules),
        *_disagrees(told, rules),
        *_slower(candidate, rules),
    ]
    return Verdict(not reasons, tuple(reasons), (*_unsure(told, rules), *_fallbacks(candidate)))


def _not_finite(candidate: Form) -> list[str]:
    bad = [subset for subset, scores in candidate.scores.items() if not scores.finite]
    return [f"outputs for {', '.join(bad)} are no numbers (NaN or infinite)"] if bad else []


def _drops(told: Mapping[str, SubsetFigures], before: Mapping[str, SubsetFigures], rules: Rules) -> list[str]:
    lost = {subset: one.drop for subset, one in told.items() if one.drop is not None}
    if not lost:
        return []
    subset, drop = max(lost.items(), key=lambda item: item[1].mean)
    if drop.mean <= rules.max_drop_points:
        return []
    return [
        f"{subset} falls from {before[subset].accuracy:.3f} to {told[subset].accuracy:.3f}: {_points(drop)} on "
        f"{told[subset].n} examples; allowed: {rules.max_drop_points:g} in the worst subset"
    ]


def _unsure(told: Mapping[str, SubsetFigures], rules: Rules) -> list[str]:
    """Subsets that pass, though their interval reaches past the rule."""
    return [
        f"{subset} may lose more than {rules.max_drop_points:g} points: {_points(one.drop)} on {one.n} examples; "
        "more examples would tell"
        for subset, one in told.items()
        if one.drop is not None and one.drop.mean <= rules.max_drop_points < one.drop.high
    ]


def _points(drop: Interval) -> str:
    return f"{drop.mean:.1f} points (95%: {drop.low:.1f} to {drop.high:.1f})"


def _too_low(told: Mapping[str, SubsetFigures], rules: Rules) -> list[str]:
    subset, one = worst(told)
    if one.accuracy >= rules.min_accuracy:
        return []
    return [f"{subset} reaches {one.accuracy:.3f}; at least {rules.min_accuracy:g} is asked of the worst subset"]


def _disagrees(told: Mapping[str, SubsetFigures], rules: Rules) -> list[str]:
    shares = {subset: one.agreement for subset, one in told.items() if one.agreement is not None}
    subset, share = min(shares.items(), key=lambda item: item[1], default=("", 1.0))
    if share >= rules.min_agreement:
        return []
    return [f"{subset} decides like the float model on {share:.1%} of examples; at least: {rules.min_agreement:.1%}"]


def _slower(candidate: Form, rules: Rules) -> list[str]:
    if candidate.ms is None or candidate.float_ms is None:
        return []
    if candidate.ms <= candidate.float_ms * (1 + rules.slower_share):
        return []
    return [
        f"an answer takes {candidate.ms:.2f} ms, {candidate.ms / candidate.float_ms:.2f} times its float form's "
        f"{candidate.float_ms:.2f} ms on the same backend; slower forms are not shipped"
    ]


def _fallbacks(candidate: Form) -> list[str]:
    if not candidate.fallbacks:
        return []
    return [f"the backend left {', '.join(candidate.fallbacks)} to its slow or float path"]


def _subset(scores: SubsetScores, reference: SubsetScores | None) -> SubsetFigures:
    counted = slice(None) if scores.distinct is None else scores.distinct
    mean = bootstrap(scores.values[counted])
    calibration = None
    if scores.logits is not None and scores.labels is not None:
        calibration = ece(scores.logits[counted], scores.labels[counted])
    agreement, drop = None, None
    if reference is not None:
        _check_pairs(scores, reference)
        drop = _drop((reference.values - scores.values)[counted])
        mine, theirs = scores.decisions, reference.decisions
        agreement = None if mine is None or theirs is None else float((mine == theirs)[counted].mean())
    n = len(scores.values[counted])
    return SubsetFigures(mean.mean, mean.low, mean.high, n, calibration, agreement, drop)


def _drop(lost: Floats) -> Interval:
    if not lost.any():  # no example changed: the bound of `bootstrap` is about accuracies, not differences
        return Interval(0.0, 0.0, 0.0)
    drop = bootstrap(lost)
    return Interval(drop.mean * POINTS, drop.low * POINTS, drop.high * POINTS)


def _left_out(whole: SubsetScores, rest: SubsetScores) -> float:
    """Mean |log-odds of the whole's answer with all senses - without one| over the examples that both have."""
    _, mine, theirs = np.intersect1d(whole.examples, rest.examples, return_indices=True)
    assert whole.logits is not None
    assert rest.logits is not None
    full, less = whole.logits[mine], rest.logits[theirs]
    if not len(full):
        return 0.0
    answer = full.argmax(axis=1)
    return float(np.abs(_log_odds(full, answer) - _log_odds(less, answer)).mean())


def _log_odds(logits: Floats, answer: Ints) -> Floats:
    """log p / (1 - p) of one class per row, (n,)."""
    rows = np.arange(len(logits))
    others = logits.copy()
    others[rows, answer] = -np.inf
    top = others.max(axis=1)
    log_sum = np.log(np.exp(others - top[:, None]).sum(axis=1)) + top
    odds: Floats = logits[rows, answer] - log_sum
    return odds


def _softmax(logits: Floats) -> Floats:
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exps / exps.sum(axis=1, keepdims=True)
    return probabilities


def _examples(examples: Array | Sequence[int] | None, n: int) -> Ints:
    ids = np.arange(n, dtype=np.int64) if examples is None else np.asarray(examples, np.int64)
    if ids.shape != (n,):
        raise CompileError(f"{n} scores need {n} example numbers; given {ids.shape}")
    return ids


def _check_pairs(scores: SubsetScores, reference: SubsetScores) -> None:
    if not np.array_equal(scores.examples, reference.examples):
        raise CompileError(
            f"{len(scores.examples)} and {len(reference.examples)} examples do not pair; "
            "measure both forms on the same examples"
        )
