"""A small tower for text: an embedding of words and one or two transformer layers."""

from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.model.attention import MASKED
from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import copy_into
from sensorium_compile.towers.minilm import VOCABULARY, WIDTH, read_minilm
from sensorium_compile.towers.registry import dimension
from sensorium_compile.towers.transformer import Reader
from sensorium_compile.zoo import Weights

NAME = "small_text"


class SmallTextOptions(TowerOptions):
    """Its size, and where the words start from."""

    vocabulary: Annotated[int, Field(ge=2)] = VOCABULARY  # ids are below it
    features: Annotated[int, Field(ge=4)] = 64
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    heads: Annotated[int, Field(ge=1)] = 4
    tokens: Annotated[int, Field(ge=0)] = 1  # given to the fusion; 0: one for each of the text's
    start: Literal["random", "minilm"] = "random"  # minilm: its words, in their main directions


class SmallTextTower(Tower):
    """Text int64 (batch, n), WordPiece ids, 0 for padding -> tokens (batch, count, width)."""

    def __init__(self, length: int, options: SmallTextOptions) -> None:
        super().__init__(options.tokens or length, options.width or options.features)
        self.words = nn.Embedding(options.vocabulary, options.features)
        self.reader = Reader(length, options.features, count=options.tokens, layers=options.layers, heads=options.heads)
        self.project = projection(options.features, options.width)

    def forward(self, sample: Tensor) -> Tensor:
        """Ids to tokens."""
        padding = (sample == 0).to(torch.float32)  # (batch, n)
        if self.reader.count:
            padding = torch.cat([torch.zeros_like(padding[:, :1]).expand(-1, self.reader.count), padding], dim=1)
        mask = (padding * MASKED)[:, None, None]
        return cast(Tensor, self.project(self.reader(self.words(sample), mask)))


def build(spec: object, options: SmallTextOptions, weights: Weights | None) -> SmallTextTower:
    """The tower for texts of ``spec.tokens`` ids."""
    if options.start == "minilm" and (options.features > WIDTH or options.vocabulary != VOCABULARY):
        raise CompileError(f"words of minilm: vocabulary = {VOCABULARY}, features = {WIDTH} or less")
    tower = SmallTextTower(dimension(spec, "tokens", NAME), options)
    if weights is not None and options.start == "minilm":
        copy_into(
            tower.words.weight, _main_directions(read_minilm(weights)["embeddings.word_embeddings.weight"], options)
        )
    return tower


def _main_directions(words: Tensor, options: SmallTextOptions) -> Tensor:
    """Words (vocabulary, 384) -> (vocabulary, features) of variance 1 on average, by principal components."""
    centred = (words - words.mean(0)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)  # ascending
    kept = directions.flip(1)[:, : options.features]
    kept = kept * torch.sign(kept.gather(0, kept.abs().argmax(0, keepdim=True)))  # the sign is free: fix it
    made = (centred @ kept).float()
    return cast(Tensor, made / made.std())
