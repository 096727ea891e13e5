"""Fits a freshly built model to the shapes of a checkpoint: pruning leaves layers narrower than the recipe says."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sensorium_compile.errors import CompileError


def load_pruned(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load ``state`` into ``model``, whose convolutions, linear and norm layers take on its widths.

    Raises CompileError where the state is of another architecture.
    """
    for name, module in model.named_modules():
        weight = state.get(f"{name}.weight")
        if weight is not None and getattr(module, "weight", None) is not None:
            _fit(module, weight)
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as err:
        reason = str(err).splitlines()[-1].strip()
        raise CompileError(f"this checkpoint is not of this recipe's model: {reason}") from err


def _fit(module: nn.Module, weight: Tensor) -> None:
    """Narrow a layer to a weight; one that is no narrowed form of the layer's own is left for loading to refuse."""
    own, given = tuple(module.weight.shape), tuple(weight.shape)  # type: ignore[arg-type]
    if own == given or len(own) != len(given) or any(new > old for new, old in zip(given, own, strict=True)):
        return
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        depthwise = module.groups > 1
        module.out_channels = weight.shape[0]
        module.groups = weight.shape[0] if depthwise else 1
        module.in_channels = weight.shape[1] * module.groups
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        module.num_features = len(weight)
        module.running_mean, module.running_var = torch.zeros(len(weight)), torch.ones(len(weight))
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = tuple(weight.shape)
    else:
        return
    module.weight = nn.Parameter(torch.empty_like(weight, dtype=torch.float32))
    if getattr(module, "bias", None) is not None:
        module.bias = nn.Parameter(torch.zeros(weight.shape[0]))
