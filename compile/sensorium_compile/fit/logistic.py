"""Logistic regression, and how good calibrated log-odds are."""

import numpy as np
from numpy.typing import NDArray

from sensorium.evidence import sigmoid

Floats = NDArray[np.float64]


def fit_logistic(features: Floats, present: Floats, ridge: float = 1e-3) -> Floats:
    """Weights and bias (k + 1,) by Newton's method, from features (n, k) and what was present (n,) 0 or 1."""
    inputs = np.column_stack([features, np.ones(len(features))])
    weights = np.zeros(inputs.shape[1])
    for _ in range(60):  # converges in about ten
        chance = sigmoid(inputs @ weights)
        slope = inputs.T @ (chance - present) + ridge * weights
        curve = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + ridge * np.eye(len(weights))
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def figures(log_odds: Floats, present: Floats) -> dict[str, float]:
    """Of log-odds (cases, candidates): precision by case, area under the curve, calibration error, loss."""
    chance, flat = sigmoid(log_odds).ravel(), present.ravel()
    precisions = [average_precision(o, p) for o, p in zip(log_odds, present, strict=True) if p.any()]
    loss = np.logaddexp(0, np.where(flat > 0, -log_odds.ravel(), log_odds.ravel())).mean()
    return {
        "mean_average_precision": round(float(np.mean(precisions)), 4),
        "area_under_curve": round(area_under_curve(log_odds.ravel(), flat), 4),
        "calibration_error": round(calibration_error(chance, flat), 4),
        "log_loss": round(float(loss), 4),
    }


def average_precision(scores: Floats, present: Floats) -> float:
    """Mean precision at each that is present, best score first."""
    hits = present[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits > 0].mean())


def area_under_curve(scores: Floats, present: Floats) -> float:
    """How often one that is present scores above one that is not; ties count half."""
    _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    positive = float(present.sum())
    return float((ranks[present > 0].sum() - positive * (positive + 1) / 2) / (positive * (len(scores) - positive)))


def calibration_error(chance: Floats, present: Floats, bins: int = 10) -> float:
    """Expected calibration error over equal bins of probability (arXiv 1706.04599)."""
    place = np.minimum((chance * bins).astype(int), bins - 1)
    error = 0.0
    for i in range(bins):
        here = place == i
        if here.any():
            error += here.mean() * abs(chance[here].mean() - present[here].mean())
    return float(error)
