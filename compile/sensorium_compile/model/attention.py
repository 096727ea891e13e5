"""Attention written out by hand: what every backend delegates, where the fused operator falls back."""

from typing import cast

from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention (arXiv 1706.03762) of queries (batch, n, width) over keys (batch, m, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """See the class."""
        batch, width = queries.shape[0], queries.shape[2]
        q = self.query(queries).view(batch, -1, self.heads, self.size).transpose(1, 2)  # (b, heads, n, size)
        k = self.key(keys).view(batch, -1, self.heads, self.size).permute(0, 2, 3, 1)  # (b, heads, size, m)
        v = self.value(keys).view(batch, -1, self.heads, self.size).transpose(1, 2)
        mixed = ((q * self.size**-0.5 @ k).softmax(-1) @ v).transpose(1, 2).reshape(batch, -1, width)
        return cast(Tensor, self.out(mixed))


class Block(nn.Module):
    """A pre-norm transformer block; with ``context`` it attends to that, else to itself."""

    def __init__(self, width: int, heads: int, ratio: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.ReLU(), nn.Linear(ratio * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(batch, n, width) -> the same."""
        normed = self.norm1(x)
        x = x + self.dropout(self.attention(normed, normed if context is None else context))
        return cast(Tensor, x + self.dropout(self.mlp(self.norm2(x))))
