"""What a state is turned into: classes, or a place in a text space."""

from typing import cast

import torch
from torch import Tensor, nn


class ClassHead(nn.Module):
    """Logits (batch, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, classes)

    def forward(self, state: Tensor) -> Tensor:
        """(batch, width) -> (batch, classes)."""
        return cast(Tensor, self.linear(state))


class EmbeddingHead(nn.Module):
    """Unit vectors (batch, dims) in a text space."""

    def __init__(self, width: int, dims: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dims)

    def forward(self, state: Tensor) -> Tensor:
        """(batch, width) -> (batch, dims)."""
        out = self.linear(state)
        # Not an addend: torch's ONNX exporter takes out what it adds below 1e-8, and 0 / 0 is NaN.
        return cast(Tensor, out / (out * out).sum(-1, keepdim=True).sqrt().clamp_min(1e-6))


def info_nce(given: Tensor, wanted: Tensor, temperature: float = 0.07) -> Tensor:
    """Contrastive loss of paired unit vectors (batch, dims): arXiv 1807.03748, both ways as in arXiv 2103.00020."""
    scores = given @ wanted.T / temperature
    own = torch.arange(len(given), device=given.device)
    loss = nn.functional.cross_entropy
    return (loss(scores, own) + loss(scores.T, own)) / 2
