"""What a tower is: a network that turns one modality's sample into a few tokens of the fusion's width."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class TowerOptions(BaseModel):
    """What every tower can be told in a recipe; a tower's own options inherit from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(ge=1)] | None = None  # of a token; none: that of the features, with no projection


class Tower(nn.Module):
    """Sample (batch, ...) -> tokens float32 (batch, count, width), by ``forward``."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.count = count
        self.width = width

    def fit_statistics(self, samples: Tensor) -> None:
        """Take what is fixed before training from samples (n, ...); most towers have nothing of the kind."""


class Projection(nn.Module):
    """Features (batch, tokens, in) -> tokens (batch, tokens, out), each normalised to mean 0 and variance 1."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        """Project, then normalise."""
        out: Tensor = self.norm(self.linear(features))
        return out


def projection(features: int, width: int | None) -> nn.Module:
    """A projection of ``features`` to ``width``; nothing where no width is asked for."""
    return nn.Identity() if width is None else Projection(features, width)
