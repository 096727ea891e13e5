"""Seeded draws for a batch, and a count of what was done."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from sensorium_compile.data.augment.config import Step

StepOf = TypeVar("StepOf", bound=Step)


@dataclass(slots=True)
class Dice:
    """Draws on the CPU, whatever device the batch is on, so that a seed gives the same batch everywhere."""

    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    applied: Counter[str] = field(default_factory=Counter)  # "vision.blur" -> samples that got it
    _generator: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._generator = torch.Generator().manual_seed(self.seed)

    def chosen(self, name: str, probability: float, count: int) -> Tensor:
        """Indices of those of ``count`` samples that get what is called ``name``; counted."""
        rows = torch.nonzero(torch.rand(count, generator=self._generator) < probability)[:, 0]
        self.applied[name] += len(rows)
        return self._to(rows)

    def uniform(self, span: tuple[float, float], *shape: int) -> Tensor:
        """Evenly in a range."""
        return self._to(torch.rand(shape, generator=self._generator) * (span[1] - span[0]) + span[0])

    def ratio(self, span: tuple[float, float], *shape: int) -> Tensor:
        """Evenly in the logarithm of a positive range: 0.5 is as likely as 2."""
        low, high = torch.tensor(span, dtype=torch.float64).log().tolist()
        return self.uniform((low, high), *shape).exp()

    def normal(self, *shape: int) -> Tensor:
        """Standard normal."""
        return self._to(torch.randn(shape, generator=self._generator))

    def integers(self, below: int, *shape: int) -> Tensor:
        """0 to ``below`` - 1."""
        return self._to(torch.randint(below, shape, generator=self._generator))

    def _to(self, drawn: Tensor) -> Tensor:
        return drawn.to(self.device)


def some(batch: Tensor, name: str, step: StepOf, change: Callable[[Tensor, StepOf, Dice], Tensor], dice: Dice) -> None:
    """Change some samples of the batch in place; counted as ``NAME.STEP``, e.g. ``vision.blur``."""
    rows = dice.chosen(f"{name}.{type(step).__name__.lower()}", step.probability, len(batch))
    if len(rows):
        batch[rows] = change(batch[rows], step, dice)
