"""What a state is turned into: classes, or a place in a text space."""

from typing import cast

from torch import Tensor, nn

TEXT_DIMS = 384  # of MiniLM-L6's sentence vectors
TEXT_SCALE = 1 / 0.07  # of a cosine: the temperature that CLIP starts from (arXiv 2103.00020)


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


class TextHead(EmbeddingHead):
    """A place in the space of a text embedder, for recipes whose labels are texts: answers may be any texts later.

    It is aligned by InfoNCE (arXiv 1807.03748): of all the labels' texts, the right one is to be the nearest. Their
    vectors travel in the checkpoint, but in no graph.
    """

    space: Tensor

    def __init__(self, width: int, space: Tensor) -> None:
        """``space``: unit vectors (labels, dims) of the labels' texts."""
        super().__init__(width, space.shape[1])
        self.register_buffer("space", space)

    def logits(self, places: Tensor) -> Tensor:
        """Unit vectors (..., dims) -> scores of the labels (..., labels)."""
        return TEXT_SCALE * places @ self.space.T
