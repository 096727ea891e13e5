"""How the senses meet: what each finds is a place in one space, so places add up."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sensorium_compile.model.fusions import Fusion


class SpaceFusion(Fusion):
    """The sum of the places of what is present, each by a weight; nothing present is the place 0.

    A place's length says how sure its sense is, so it is kept: a picture of nothing known outvotes no clear sound.
    """

    def __init__(self, counts: Mapping[str, int], width: int) -> None:
        super().__init__(counts, width)
        self.weights = nn.Parameter(torch.ones(len(counts)))

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """See Fusion."""
        state = presence.new_zeros(presence.shape[0], self.width)
        for i, own in enumerate(tokens):
            state = state + presence[:, i : i + 1] * self.weights[i] * own.mean(1)
        return state


class UnitHead(nn.Module):
    """A place (batch, dims) -> its direction; 0 stays 0."""

    def forward(self, state: Tensor) -> Tensor:
        """(batch, dims) -> (batch, dims)."""
        return state / (state * state).sum(-1, keepdim=True).add(1e-12).sqrt()
