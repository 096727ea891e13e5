"""Temperatures that make probabilities honest: one for each subset of senses (Guo et al., arXiv 1706.04599).

A temperature changes no decision, so what ships is fitted on all held-out examples. Figures of calibration are
cross-fitted: each half of the examples is measured with the temperature of the other half.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np

from sensorium_compile.fit.network import fit_temperature
from sensorium_compile.verify.gate import Bools, Floats, Ints, Scores, SubsetScores

DIGITS = 3  # of a temperature that ships: the same on every machine
LEAST = 40  # examples: of fewer the fit is an accident, and the temperature stays 1

Halves = tuple[float, float]  # for examples of even and of odd number: each fitted on the other ones


def fit(logits: Floats, labels: Ints) -> float:
    """What to divide logits (n, classes) by, so that the labels (n,) are least surprising."""
    return fit_temperature(logits, labels) if len(labels) >= LEAST else 1.0


def shipped(scores: Scores) -> dict[str, float]:
    """By subset, from logits that no temperature has divided yet."""
    fitted = {subset: fit(*_of(one, np.ones(len(one.examples), bool))) for subset, one in scores.items() if _fits(one)}
    return {subset: float(f"{value:.{DIGITS}g}") for subset, value in fitted.items()}


def halves(scores: Scores) -> dict[str, Halves]:
    """By subset, what each half is to be measured with."""
    return {
        subset: cast(Halves, tuple(fit(*_of(one, one.examples % 2 != half)) for half in (0, 1)))
        for subset, one in scores.items()
        if _fits(one)
    }


def divided(scores: Scores, known: Mapping[str, Halves]) -> dict[str, SubsetScores]:
    """The scores with each example's logits divided by the temperature of its half."""
    made = {}
    for subset, one in scores.items():
        if subset in known and one.logits is not None:
            by = np.asarray(known[subset])[one.examples % 2]
            one = replace(one, logits=one.logits / by[:, None])
        made[subset] = one
    return made


def _fits(one: SubsetScores) -> bool:
    return one.logits is not None and one.labels is not None and one.finite


def _of(one: SubsetScores, which: Bools) -> tuple[Floats, Ints]:
    chosen = which if one.distinct is None else which & one.distinct
    assert one.logits is not None
    assert one.labels is not None
    return one.logits[chosen], one.labels[chosen]
