"""Ways to make one state of the tokens at hand, behind one interface.

A fusion takes the tokens of every modality in the model's order, each (batch, count, width), and presence
(batch, modalities); it gives (batch, width). What is absent must not matter at all, whatever its tokens hold: its
place is taken by learned missing tokens (arXiv 2401.11470), which are attended to like any other. There is no attention
mask, whose large negative scores wreck int8, and whose all-masked row is NaN on some backends. With nothing present
there still is an answer: the prior.
"""

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sensorium.errors import unknown
from sensorium_compile.errors import CompileError
from sensorium_compile.model.attention import Block


class Fusion(nn.Module):
    """The interface; ``counts`` are the tokens that each modality brings."""

    def __init__(self, counts: Mapping[str, int], width: int) -> None:
        super().__init__()
        self.counts, self.width = dict(counts), width

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """(batch, count, width) of each modality and presence (batch, modalities) -> (batch, width)."""
        raise NotImplementedError


class LateFusion(Fusion):
    """Towers that meet at the end: a modality's pooled token makes an addend of its own, a missing one a learned one.

    So the state is a sum of what each sense says, and contributions are exact.
    """

    def __init__(self, counts: Mapping[str, int], width: int) -> None:
        super().__init__(counts, width)
        self.towers = nn.ModuleList([_mlp(width) for _ in counts])
        self.missing = nn.Parameter(torch.zeros(len(counts), width))
        self.prior = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """See Fusion."""
        state = self.prior.expand(presence.shape[0], -1)
        for i, (tower, own) in enumerate(zip(self.towers, tokens, strict=True)):
            there = presence[:, i : i + 1]
            state = state + there * tower(own.mean(1)) + (1 - there) * self.missing[i]
        return state


class CrossModalFusion(Fusion):
    """Each modality's tokens look at the others', then a class token looks at all; the missing ones are learned."""

    def __init__(
        self, counts: Mapping[str, int], width: int, depth: int = 1, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__(counts, width)
        self.missing = nn.ParameterList([nn.Parameter(torch.randn(count, width) * 0.02) for count in counts.values()])
        self.kind = nn.Parameter(torch.randn(len(counts), width) * 0.02)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.cross = nn.ModuleList(
            [nn.ModuleList([Block(width, heads, dropout=dropout) for _ in counts]) for _ in range(depth)]
        )
        self.read = Block(width, heads, dropout=dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """See Fusion."""
        streams = self.mark(_with_missing(tokens, presence, self.missing, self.kind))
        batch = presence.shape[0]
        first = self.token.expand(batch, -1, -1)
        for layer in self.cross:
            context = torch.cat([first, *streams], 1)
            blocks = cast(nn.ModuleList, layer)
            streams = [block(own, context) for block, own in zip(blocks, streams, strict=True)]
        context = torch.cat([first, *streams], 1)
        return cast(Tensor, self.norm(self.read(first, context)))[:, 0]

    def mark(self, streams: list[Tensor]) -> list[Tensor]:
        """What is done to the tokens before they look at each other: nothing here."""
        return streams


class ProductFusion(CrossModalFusion):
    """CrossModalFusion whose tokens first take in their product with the mean of every other modality.

    For answers of which no sense tells any part, such as whether the colour that is asked for is the one that is seen:
    attention alone finds them late or not at all. Low-rank bilinear pooling (arXiv 1610.04325), token by token.
    """

    def __init__(
        self, counts: Mapping[str, int], width: int, depth: int = 1, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__(counts, width, depth, heads, dropout)
        self.factors = nn.ModuleList([nn.Linear(width, width) for _ in counts])
        self.product_norms = nn.ModuleList([nn.LayerNorm(width) for _ in counts])

    def mark(self, streams: list[Tensor]) -> list[Tensor]:
        """(batch, count, width) of each modality -> the same."""
        factors = [factor(own) for factor, own in zip(self.factors, streams, strict=True)]
        means = [factor.mean(1, keepdim=True) for factor in factors]
        made = []
        for i, (own, norm) in enumerate(zip(streams, self.product_norms, strict=True)):
            product = math.prod((mean for j, mean in enumerate(means) if j != i), start=factors[i])
            made.append(own + norm(product))
        return made


class UnifiedFusion(Fusion):
    """One sequence of all tokens behind a class token, through one transformer."""

    def __init__(
        self, counts: Mapping[str, int], width: int, depth: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__(counts, width)
        self.missing = nn.ParameterList([nn.Parameter(torch.randn(count, width) * 0.02) for count in counts.values()])
        self.kind = nn.Parameter(torch.randn(len(counts), width) * 0.02)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.blocks = nn.ModuleList([Block(width, heads, dropout=dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """See Fusion."""
        streams = _with_missing(tokens, presence, self.missing, self.kind)
        x = torch.cat([self.token.expand(presence.shape[0], -1, -1), *streams], 1)
        for block in self.blocks:
            x = block(x)
        return cast(Tensor, self.norm(x[:, 0]))


FUSIONS: dict[str, type[Fusion]] = {
    "late": LateFusion,
    "cross": CrossModalFusion,
    "product": ProductFusion,
    "unified": UnifiedFusion,
}


def build_fusion(kind: str, counts: Mapping[str, int], width: int, options: Mapping[str, float]) -> Fusion:
    """A fusion by the name that a recipe uses; raises CompileError for another name."""
    if kind not in FUSIONS:
        raise CompileError(unknown("fusion", kind, FUSIONS))
    if kind == "late":
        return LateFusion(counts, width)
    return FUSIONS[kind](counts, width, **options)


def _with_missing(tokens: Sequence[Tensor], presence: Tensor, missing: nn.ParameterList, kind: Tensor) -> list[Tensor]:
    """Tokens with what is absent replaced, and each marked with its modality."""
    made = []
    for i, own in enumerate(tokens):
        there = presence[:, i].view(-1, 1, 1)
        made.append(own * there + missing[i] * (1 - there) + kind[i])
    return made


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
