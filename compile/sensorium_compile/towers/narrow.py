"""Fewer inner channels of a pretrained network, the ones that matter most.

Between two convolutions every channel is normalised, so its values are near a Gaussian of mean ``bias`` and
deviation ``weight`` of its batch normalisation. What a channel gives after ReLU6 can be told from those two
without any data: its mean goes into the next layer's offset when the channel goes (Luo and Wu,
https://arxiv.org/abs/1706.06342, keep it by data), and its deviation times the weights that read it says how
much is lost.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

_MULTIPLE = 8  # kernels of all our runtimes work on 8 channels or a multiple
_POINTS = 64  # of the quadrature: the moments of ReLU6 of a Gaussian to 1e-3


def narrowed_width(width: int, factor: float) -> int:
    """How many of ``width`` channels remain: a multiple of 8, at least 8; all of them for a factor of 1."""
    return width if factor >= 1 else min(width, max(_MULTIPLE, round(width * factor / _MULTIPLE) * _MULTIPLE))


def strongest(importance: Tensor, count: int) -> Tensor:
    """The places of the ``count`` largest, in their order; of equals the first."""
    order = torch.argsort(importance, descending=True, stable=True)
    return torch.sort(order[:count]).values


def narrowed_block(
    state: Mapping[str, Tensor], before: str, depthwise: str | None, after: str | None, tower: nn.Module
) -> dict[str, Tensor]:
    """New values for the layers around one inner width, as many channels as ``tower`` has there.

    ``before`` makes the channels, ``depthwise`` works on each, ``after`` reads them. Without the latter two
    (the head), the channels that vary most remain.
    """
    count = len(tower.get_parameter(f"{before}.conv.weight"))
    last = depthwise or before
    mean, deviation = relu6_moments(state[f"{last}.norm.bias"], state[f"{last}.norm.weight"])
    importance = deviation
    if after is not None:
        reads = state[f"{after}.conv.weight"].flatten(1)  # (out, inner)
        gain = state[f"{after}.norm.weight"] / state[f"{after}.norm.running_var"].clamp_min(1e-12).sqrt()
        importance = deviation * (reads * gain[:, None]).norm(dim=0)
    kept = strongest(importance, count)
    new: dict[str, Tensor] = {}
    for layer in filter(None, (before, depthwise)):
        new |= {name: values[kept] for name, values in state.items() if name.startswith(f"{layer}.")}
    if after is not None:
        gone = mean.clone()
        gone[kept] = 0
        new[f"{after}.conv.weight"] = state[f"{after}.conv.weight"][:, kept]
        new[f"{after}.norm.running_mean"] = state[f"{after}.norm.running_mean"] - reads @ gone
    return new


def relu6_moments(mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of min(max(z, 0), 6) for Gaussians z, each (channels,)."""
    points, weights = np.polynomial.hermite_e.hermegauss(_POINTS)
    z = mean[:, None].double() + deviation[:, None].double() * torch.from_numpy(points)  # (channels, points)
    share = torch.from_numpy(weights / weights.sum())
    y = z.clamp(0, 6)
    first, second = y @ share, y.square() @ share
    return first.float(), (second - first.square()).clamp_min(0).sqrt().float()
