"""all-MiniLM-L6-v2, a sentence embedding, as a tower: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2.

It is BERT (arXiv 1810.04805) of 6 layers and 384 channels; the mean over a sentence's tokens is its embedding.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.model.attention import MASKED, Attention
from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import copy_into
from sensorium_compile.towers.registry import dimension
from sensorium_compile.zoo import Weights

NAME, ENTRY = "minilm", "minilm"

# config.json of the model
VOCABULARY, WIDTH = 30_522, 384
_LAYERS, _HEADS, _INNER, _POSITIONS, _EPSILON = 6, 12, 1536, 512, 1e-12


class MiniLmOptions(TowerOptions):
    """How much of it, and what it gives."""

    layers: Annotated[int, Field(ge=1, le=_LAYERS)] = _LAYERS  # the first ones are kept
    pool: Literal["mean", "tokens"] = "mean"  # the sentence's embedding, or one token for each of the text's


class BertLayer(nn.Module):
    """A post-norm transformer layer with GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(WIDTH, _HEADS)
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, eps=_EPSILON) for _ in range(2))
        self.mlp = nn.Sequential(nn.Linear(WIDTH, _INNER), nn.GELU(), nn.Linear(_INNER, WIDTH))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(batch, n, width) -> the same."""
        x = self.norm1(x + self.attention(x, x, mask))
        return cast(Tensor, self.norm2(x + self.mlp(x)))


class MiniLmTower(Tower):
    """Text int64 (batch, n), WordPiece ids, 0 for padding -> tokens (batch, 1 or n, width)."""

    PRETRAINED = ("words", "norm", "blocks")  # parts that start from published weights

    def __init__(self, length: int, options: MiniLmOptions) -> None:
        super().__init__(1 if options.pool == "mean" else length, options.width or WIDTH)
        self.pool = options.pool
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Parameter(torch.zeros(1, length, WIDTH))  # and the kind of the sentence
        self.norm = nn.LayerNorm(WIDTH, eps=_EPSILON)
        self.blocks = nn.ModuleList([BertLayer() for _ in range(options.layers)])
        self.project = projection(WIDTH, options.width)

    def forward(self, sample: Tensor) -> Tensor:
        """Ids to tokens."""
        there = (sample != 0).to(torch.float32)  # (batch, n)
        mask = ((1 - there) * MASKED)[:, None, None]
        x = self.norm(self.words(sample) + self.positions)
        for block in self.blocks:
            x = block(x, mask)
        if self.pool == "mean":
            x = masked_mean(x, there)
        return cast(Tensor, self.project(x))


def masked_mean(x: Tensor, there: Tensor) -> Tensor:
    """(batch, n, width) and which of n count, 0 or 1 (batch, n) -> (batch, 1, width)."""
    return (x * there[:, :, None]).sum(1, keepdim=True) / torch.clamp(there.sum(1), min=1.0)[:, None, None]


def build(spec: object, options: MiniLmOptions, weights: Weights | None) -> MiniLmTower:
    """The tower for texts of ``spec.tokens`` ids."""
    length = dimension(spec, "tokens", NAME)
    if length > _POSITIONS:
        raise CompileError(f"tower {NAME!r} reads {_POSITIONS} tokens at most; given {length}")
    tower = MiniLmTower(length, options)
    if weights is not None:
        _load(tower, read_minilm(weights))
    return tower


def read_minilm(weights: Weights) -> dict[str, Tensor]:
    """Every tensor of the pretrained model by its name there."""
    return load_file(weights.path(ENTRY))


def _load(tower: MiniLmTower, state: Mapping[str, Tensor]) -> None:
    length = tower.positions.shape[1]
    kind = state["embeddings.token_type_embeddings.weight"][:1]  # of the first sentence, the only one here
    copy_into(tower.words.weight, state["embeddings.word_embeddings.weight"])
    copy_into(tower.positions, (state["embeddings.position_embeddings.weight"][:length] + kind)[None])
    _load_layer(tower.norm, state, "embeddings.LayerNorm")
    for index, block in enumerate(tower.blocks):
        for ours, theirs in _NAMES.items():
            _load_layer(block.get_submodule(ours), state, f"encoder.layer.{index}.{theirs}")


_NAMES = {
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "mlp.0": "intermediate.dense",
    "mlp.2": "output.dense",
    "norm2": "output.LayerNorm",
}


def _load_layer(layer: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    for part, value in layer.named_parameters():
        copy_into(value, state[f"{name}.{part}"])
