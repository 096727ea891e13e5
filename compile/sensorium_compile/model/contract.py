"""What a model must be to be compiled.

    model.encoders   modality -> module: a sample (batch, ...) -> tokens (batch, count, width)
    model.fusion     tokens of every modality, presence (batch, modalities) -> state (batch, width)
    model.heads      name -> module: state -> output (batch, n)

The order of ``encoders`` is the order of ``presence``. Encoders are exported apart from the fusion, so that the runtime
leaves out a sense that is missing, and runs each at its own rate.
"""

from collections.abc import Mapping
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from sensorium.errors import unknown
from sensorium_compile.errors import CompileError


class Tower(Protocol):
    """An encoder: an ``nn.Module`` that tells the shape of its tokens."""

    count: int  # tokens a sample
    width: int  # of a token

    def __call__(self, sample: Tensor) -> Tensor:
        """(batch, ...) -> (batch, count, width)."""
        ...


class MultimodalModel(nn.Module):
    """Encoders, a fusion and heads; see the module."""

    def __init__(self, encoders: Mapping[str, nn.Module], fusion: nn.Module, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(dict(encoders))
        self.fusion = fusion
        self.heads = nn.ModuleDict(dict(heads))

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of ``presence``."""
        return tuple(self.encoders)

    def tokens(self, samples: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(batch, count, width) of each modality that is given."""
        return {name: self.encoders[name](sample) for name, sample in samples.items()}

    def state(self, tokens: Mapping[str, Tensor], presence: Tensor) -> Tensor:
        """(batch, width) of all tokens; what is not present (batch, modalities) does not count."""
        return cast(Tensor, self.fusion([tokens[name] for name in self.modalities], presence))

    def fuse(self, tokens: Mapping[str, Tensor], presence: Tensor) -> dict[str, Tensor]:
        """Every head's output."""
        state = self.state(tokens, presence)
        return {name: head(state) for name, head in self.heads.items()}

    def forward(self, samples: Mapping[str, Tensor], presence: Tensor) -> dict[str, Tensor]:
        """Every head's output (batch, n) from samples of every modality and which of them are there."""
        return self.fuse(self.tokens(samples), presence)


class FusionGraph(nn.Module):
    """Fusion and heads as one graph of positional tensors: tokens in the model's order, then presence."""

    def __init__(self, model: MultimodalModel) -> None:
        super().__init__()
        self.fusion, self.heads = model.fusion, model.heads

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """One output a head."""
        state = self.fusion(list(given[:-1]), given[-1])
        return tuple(head(state) for head in self.heads.values())


def check_model(model: nn.Module, samples: Mapping[str, Tensor], heads: Mapping[str, int]) -> None:
    """Raise CompileError where the model breaks the contract: names, shapes, finite weights, every subset's output.

    ``samples`` are one example of each modality (1, ...), ``heads`` the number of values that each head gives.
    """
    for part in ("encoders", "fusion", "heads"):
        if not hasattr(model, part):
            raise CompileError(f"the model has no {part}; a model has: encoders, fusion, heads (see MultimodalModel)")
    check_finite(model)
    encoders = cast(nn.ModuleDict, model.encoders)
    if list(encoders) != list(samples):
        raise CompileError(f"the model has encoders for {list(encoders)}, the recipe modalities {list(samples)}")
    for name, sample in samples.items():
        _check_tokens(name, encoders[name], sample)
    given = cast(nn.ModuleDict, model.heads)
    for name, size in heads.items():
        if name not in given:
            raise CompileError(unknown("head", name, given))
        _check_head(cast(MultimodalModel, model), samples, name, size)


def check_finite(model: nn.Module) -> None:
    """Raise CompileError naming the first weight that is NaN or infinite."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise CompileError(
                f"{bad} of {tensor.numel()} values of {name} are NaN or infinite; "
                f"train again with a lower learning rate, or give an earlier checkpoint"
            )


def _check_tokens(name: str, encoder: nn.Module, sample: Tensor) -> None:
    with torch.no_grad():
        try:
            tokens = encoder(sample)
        except (RuntimeError, TypeError, ValueError) as err:
            raise CompileError(f"encoder {name} does not take {tuple(sample.shape)} {sample.dtype}: {err}") from err
    if tokens.ndim != 3 or len(tokens) != len(sample):
        raise CompileError(
            f"encoder {name} gives {tuple(tokens.shape)} for {len(sample)} samples; allowed: (batch, tokens, width)"
        )


def _check_head(model: MultimodalModel, samples: Mapping[str, Tensor], name: str, size: int) -> None:
    count = len(samples)
    with torch.no_grad():
        for mask in range(2**count):
            presence = torch.tensor([[float(mask >> i & 1) for i in range(count)]])
            out = model(samples, presence)[name]
            if tuple(out.shape) != (1, size):
                raise CompileError(f"head {name} gives {tuple(out.shape)}, the recipe has {size} labels: (1, {size})")
            if not bool(torch.isfinite(out).all()):
                raise CompileError(f"head {name} gives NaN for presence {presence.tolist()[0]}; see Fusion")
