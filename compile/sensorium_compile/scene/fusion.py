"""How the senses meet: what each finds is a place in one space, so places add up."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sensorium_compile.model.fusions import Fusion

FLOOR = 1e-6  # of a length: places are 0.01 to 2 long


class SpaceFusion(Fusion):
    """The sum of the directions of what is present, each by a weight; nothing present is the place 0.

    Lengths are not compared: how many classes a teacher has and how sure it usually is decides them.
    """

    def __init__(self, counts: Mapping[str, int], width: int) -> None:
        super().__init__(counts, width)
        self.weights = nn.Parameter(torch.ones(len(counts)))

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """See Fusion."""
        state = presence.new_zeros(presence.shape[0], self.width)
        for i, own in enumerate(tokens):
            state = state + presence[:, i : i + 1] * self.weights[i] * direction(own.mean(1))
        return state


class UnitHead(nn.Module):
    """A place (batch, dims) -> its direction; 0 stays 0."""

    def forward(self, state: Tensor) -> Tensor:
        """(batch, dims) -> (batch, dims)."""
        return direction(state)


def direction(places: Tensor) -> Tensor:
    """(batch, dims) of length 1; 0 stays 0."""
    # Not an addend: torch's ONNX exporter takes out what it adds below 1e-8, and 0 / 0 is NaN.
    return places / (places * places).sum(-1, keepdim=True).sqrt().clamp_min(FLOOR)
