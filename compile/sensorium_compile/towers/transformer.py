"""Transformer layers with attention written out by hand: every backend delegates that, not the fused operator.

Activations are sliced where something is sliced, weights never (XNNPACK cannot delegate that). What is masked
gets -30, whose exponential is 1e-13: -1e4 wrecks an int8 range.
"""

from typing import cast

import torch
from torch import Tensor, nn

from sensorium_compile.errors import CompileError

MASKED = -30.0


class SelfAttention(nn.Module):
    """Multi-head self attention (arXiv 1706.03762) over (batch, n, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise CompileError(f"{heads} heads do not divide a width of {width}; use a divisor")
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask`` (batch, 1, 1, n) is added to the scores: 0, or MASKED for what is not attended to."""
        batch, count, width = x.shape
        size = width // self.heads
        query, key, value = (
            layer(x).view(batch, count, self.heads, size).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )  # (batch, heads, n, size)
        scores = (query * size**-0.5) @ key.transpose(2, 3)  # (batch, heads, n, n)
        mixed = (scores if mask is None else scores + mask).softmax(-1) @ value
        return cast(Tensor, self.out(mixed.transpose(1, 2).reshape(batch, count, width)))


class Layer(nn.Module):
    """A pre-norm transformer layer with ReLU, small and easy to quantize."""

    def __init__(self, width: int, heads: int, ratio: int = 2) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.ReLU(), nn.Linear(ratio * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(batch, n, width) -> the same."""
        x = x + self.attention(self.norm1(x), mask)
        return cast(Tensor, x + self.mlp(self.norm2(x)))


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
        self.layers = nn.ModuleList([Layer(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask`` (batch, 1, 1, count + n) as of SelfAttention."""
        x = x + self.positions
        if self.count:
            x = torch.cat([self.tokens.expand(x.shape[0], -1, -1), x], dim=1)
        for layer in self.layers:
            x = layer(x, mask)
        return cast(Tensor, self.norm(x[:, : self.count] if self.count else x))
