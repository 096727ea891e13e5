"""A one-hidden-layer classifier fitted in numpy: the sound head is made without a training library."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
AnyFloats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the head is fitted; written beside it. Chosen by leaving one fold out."""

    hidden: int = 48
    epochs: int = 25
    batch: int = 128
    rate: float = 3e-3
    decay: float = 0.2  # decoupled, per step and unit of rate (AdamW, arXiv 1711.05101)
    dropout: float = 0.3  # of the inputs: the features repeat one another
    mixup: float = 0.2  # arXiv 1710.09412
    seed: int = 1


def fit_network(features: Floats, labels: NDArray[np.int64], shares: Floats, recipe: Recipe) -> dict[str, Floats]:
    """Features (n, d), labels (n,) -> the arrays of a ``SoundHead``; ``shares`` (classes,) weigh classes."""
    classes = len(shares)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-3
    inputs = ((features - mean) / scale).astype(np.float32)
    targets = np.eye(classes, dtype=np.float32)[labels]
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    weights = (len(labels) * shares / shares.sum() / counts)[labels]
    rng = np.random.default_rng(recipe.seed)
    params = _initial(inputs.shape[1], recipe.hidden, classes, rng)
    optimiser = _AdamW(params, recipe)
    for epoch in range(recipe.epochs):
        fade = 0.5 * (1 + np.cos(np.pi * epoch / recipe.epochs))
        for rows in np.array_split(rng.permutation(len(inputs)), len(inputs) // recipe.batch):
            x, y = _mixed(inputs[rows], targets[rows] * weights[rows, None], recipe.mixup, rng)
            kept = rng.random(x.shape, dtype=np.float32) >= recipe.dropout
            optimiser.step(_gradients(params, x * kept / (1 - recipe.dropout), y.astype(np.float32)), fade)
    return {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32), **params}


def fit_temperature(logits: AnyFloats, labels: NDArray[np.int64]) -> float:
    """The temperature with the least log loss on held-out logits (n, classes) (arXiv 1706.04599)."""
    candidates = np.geomspace(0.3, 5.0, 60)
    return float(min(candidates, key=lambda t: log_loss(logits / t, labels)))


def log_loss(logits: AnyFloats, labels: NDArray[np.int64]) -> float:
    """Mean negative log probability of the true label [nat]."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())


def _initial(inputs: int, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, Floats]:
    def normal(rows: int, columns: int, gain: float) -> Floats:
        out: Floats = (rng.standard_normal((rows, columns)) * (gain / rows**0.5)).astype(np.float32)
        return out

    return {
        "weight_hidden": normal(inputs, hidden, np.sqrt(2)),
        "bias_hidden": np.zeros(hidden, np.float32),
        "weight_out": normal(hidden, classes, 1.0),
        "bias_out": np.zeros(classes, np.float32),
        "weight_skip": np.zeros((inputs, classes), np.float32),
    }


def _gradients(p: dict[str, Floats], x: Floats, y: Floats) -> dict[str, Floats]:
    """Gradient of the weighted cross entropy; ``y`` (n, classes) carries each row's weight."""
    before = x @ p["weight_hidden"] + p["bias_hidden"]
    hidden = np.maximum(before, 0)
    logits = hidden @ p["weight_out"] + x @ p["weight_skip"] + p["bias_out"]
    soft = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (soft / soft.sum(axis=1, keepdims=True) * y.sum(axis=1, keepdims=True) - y) / len(x)
    back = (error @ p["weight_out"].T) * (before > 0)
    return {
        "weight_hidden": x.T @ back,
        "bias_hidden": back.sum(axis=0),
        "weight_out": hidden.T @ error,
        "bias_out": error.sum(axis=0),
        "weight_skip": x.T @ error,
    }


def _mixed(x: Floats, y: Floats, alpha: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    share = np.float32(rng.beta(alpha, alpha))
    other = rng.permutation(len(x))
    return share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]


class _AdamW:
    def __init__(self, params: dict[str, Floats], recipe: Recipe) -> None:
        self._params, self._recipe, self._steps = params, recipe, 0
        self._first = {k: np.zeros_like(v) for k, v in params.items()}
        self._second = {k: np.zeros_like(v) for k, v in params.items()}

    def step(self, gradients: dict[str, Floats], fade: float) -> None:
        """One update; ``fade`` scales the rate along the schedule."""
        self._steps += 1
        rate = self._recipe.rate * fade
        for key, gradient in gradients.items():
            first, second, value = self._first[key], self._second[key], self._params[key]
            first += 0.1 * (gradient - first)  # beta1 = 0.9
            second += 0.001 * (gradient * gradient - second)  # beta2 = 0.999
            step = first / (1 - 0.9**self._steps) / (np.sqrt(second / (1 - 0.999**self._steps)) + 1e-8)
            value -= rate * (step + (self._recipe.decay * value if key.startswith("weight") else 0))
