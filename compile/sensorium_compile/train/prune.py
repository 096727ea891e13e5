"""Structured pruning: whole channels go, with all that hangs on them, by torch-pruning (arXiv 2301.12900)."""

import torch
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import example_samples
from sensorium_compile.recipe import ModelRecipe


def prune(model: MultimodalModel, recipe: ModelRecipe) -> dict[str, int]:
    """Take the share ``prune.ratio`` of the least channels (by magnitude) out of every encoder, in place.

    The tokens keep their width, so fusion and heads stay as they are. Returns parameters before and after by encoder.
    """
    try:
        import torch_pruning
    except ImportError as err:
        raise CompileError('pruning needs torch-pruning: pip install "sensorium[train]"') from err
    told: dict[str, int] = {}
    for name, sample in example_samples(recipe).items():
        encoder = model.encoders[name]
        before = _count(encoder)
        importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
        pruner = torch_pruning.pruner.MagnitudePruner(
            encoder,
            sample,
            importance=importance,
            pruning_ratio=recipe.prune.ratio,
            ignored_layers=_ignored(encoder),
            round_to=8,  # what vector units work on
        )
        pruner.step()
        with torch.no_grad():
            _check(name, encoder, sample)
        told |= {f"{name} before": before, f"{name} after": _count(encoder)}
    return told


def _ignored(encoder: nn.Module) -> list[nn.Module]:
    """The last linear layer, whose outputs are the tokens, and front ends that are no network."""
    linear = [m for m in encoder.modules() if isinstance(m, nn.Linear)]
    fixed = [m for m in encoder.modules() if getattr(m, "float_only", False)]
    return [*linear[-1:], *fixed]


def _check(name: str, encoder: nn.Module, sample: Tensor) -> None:
    out = encoder(sample)
    if not bool(torch.isfinite(out).all()):
        raise CompileError(f"encoder {name} gives NaN after pruning; take a lower prune.ratio")


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
