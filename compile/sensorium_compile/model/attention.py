"""Attention written out by hand: what every backend delegates, where the fused operator falls back.

Activations are sliced where something is sliced, weights never (XNNPACK cannot delegate that). What is masked
gets -30, whose exponential is 1e-13: -1e4 wrecks an int8 range.
"""

from typing import cast

from torch import Tensor, nn

from sensorium_compile.errors import CompileError

MASKED = -30.0


class Attention(nn.Module):
    """Multi-head attention (arXiv 1706.03762) of queries (batch, n, width) over keys (batch, m, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise CompileError(f"{heads} heads do not divide a width of {width}; use a divisor")
        self.heads, self.size = heads, width // heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        """``mask`` (batch, 1, 1, m) is added to the scores: 0, or MASKED for what is not attended to."""
        batch, width = queries.shape[0], queries.shape[2]
        q = self.query(queries).view(batch, -1, self.heads, self.size).transpose(1, 2)  # (b, heads, n, size)
        k = self.key(keys).view(batch, -1, self.heads, self.size).permute(0, 2, 3, 1)  # (b, heads, size, m)
        v = self.value(keys).view(batch, -1, self.heads, self.size).transpose(1, 2)
        scores = q * self.size**-0.5 @ k  # (b, heads, n, m)
        mixed = ((scores if mask is None else scores + mask).softmax(-1) @ v).transpose(1, 2).reshape(batch, -1, width)
        return cast(Tensor, self.out(mixed))


class Block(nn.Module):
    """A pre-norm transformer block; with ``context`` it attends to that, else to itself."""

    def __init__(self, width: int, heads: int, ratio: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, ratio * width), nn.ReLU(), nn.Linear(ratio * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """(batch, n, width) -> the same; ``mask`` as of Attention."""
        normed = self.norm1(x)
        x = x + self.dropout(self.attention(normed, normed if context is None else context, mask))
        return cast(Tensor, x + self.dropout(self.mlp(self.norm2(x))))
