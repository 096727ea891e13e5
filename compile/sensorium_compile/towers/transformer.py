"""A small transformer that reads a sequence into a few tokens."""

from typing import cast

import torch
from torch import Tensor, nn

from sensorium_compile.model.attention import Block


class Reader(nn.Module):
    """A sequence (batch, n, width) -> ``count`` tokens (batch, count, width) that have attended to all of it.

    Learned tokens stand before the sequence, which is marked with its positions. With a count of 0 there are none, and
    the sequence itself (batch, n, width) is given.
    """

    def __init__(self, steps: int, width: int, *, count: int, layers: int, heads: int) -> None:
        super().__init__()
        self.count = count
        if count:
            self.tokens = nn.Parameter(torch.randn(1, count, width) * 0.02)  # BERT's initialiser_range
        self.positions = nn.Parameter(torch.randn(1, steps, width) * 0.02)
        self.layers = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask`` (batch, 1, 1, count + n) as of Attention."""
        x = x + self.positions
        if self.count:
            x = torch.cat([self.tokens.expand(x.shape[0], -1, -1), x], dim=1)
        for layer in self.layers:
            x = layer(x, mask=mask)
        return cast(Tensor, self.norm(x[:, : self.count] if self.count else x))
