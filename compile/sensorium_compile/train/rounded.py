"""Quantization-aware training: a student learns with its layers rounded to 8 bits (arXiv 1712.05877).

Weights are rounded symmetrically by output channel, which a batch normalisation behind them does not change; what goes
into a layer by its whole range. Gradients pass as if nothing were rounded.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LEVELS = 127  # of a weight, each way
STEPS = 255  # of an activation
TINY = 1e-8
FOLLOW = 0.05  # of the way that a range goes towards that of a batch


@contextmanager
def rounded(model: nn.Module) -> Iterator[None]:
    """Inside, every linear and convolutional layer computes in 8 bits; afterwards its weights are those 8 bits'.

    Layers inside a module with ``float_only`` are left alone; where ``float_inputs`` is set, only weights are rounded.
    """
    layers = list(_layers(model))
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", _RoundedWeight())
    inner = [layer for layer in layers if not getattr(layer, "float_inputs", False)]
    for layer in inner:
        layer.add_module("rounded_input", _RoundedInput())
    hooks = [layer.register_forward_pre_hook(_round_input) for layer in inner]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer in inner:
            del layer.rounded_input
        for layer in layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


class _RoundedWeight(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        """(out, ...) -> the same on a grid for each output."""
        scale = (weight.detach().flatten(1).abs().amax(1) / LEVELS).clamp(min=TINY)
        zero = torch.zeros(len(scale), dtype=torch.int32, device=weight.device)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -LEVELS, LEVELS)


class _RoundedInput(nn.Module):
    """Rounds to its range, which follows what it sees while it is trained."""

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("low", "high"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        if self.training:
            low, high = x.detach().amin().clamp(max=0), x.detach().amax().clamp(min=0)
            follow = FOLLOW if bool(self.high > self.low) else 1.0
            self.low.lerp_(low, follow)
            self.high.lerp_(high, follow)
        scale = ((self.high - self.low) / STEPS).clamp(min=TINY)
        zero = (-self.low / scale).round().clamp(0, STEPS).int()
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, STEPS)


def _round_input(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (layer.get_submodule("rounded_input")(given[0]), *given[1:])


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    if getattr(module, "float_only", False):
        return
    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
        yield module
    for child in module.children():
        yield from _layers(child)
