"""YAMNet with fewer channels, the ones that matter most, and what reads them fitted anew.

Optimal brain surgeon (Hassibi and Stork, NIPS 1992) on whole channels: the channel goes whose loss costs the layer that
reads it least after that layer's other weights have taken over what they can. All of it follows from the second moments
of the activations on some real sounds; no gradient is needed. A distillation comes after.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.scene.space import factorise
from sensorium_compile.scene.yamnet import YamNet

DAMPING = 1e-4  # of the mean second moment: what is never active there is not trusted to be silent elsewhere
STEP = 64  # patches at once


def narrow(net: YamNet, widths: Sequence[int], rank: int | None, patches: Tensor) -> YamNet:
    """A copy of those widths whose classifier has that rank; ``patches`` (n, 96, 64) are real log-mel spectra."""
    if len(widths) != len(net.widths) or any(new > old for new, old in zip(widths, net.widths, strict=True)):
        raise CompileError(f"widths {tuple(widths)}; allowed: {len(net.widths)} of at most {net.widths} each")
    if net.rank is not None:
        raise CompileError("this network's classifier was factorised already; narrow the original")
    wide = copy.deepcopy(net).eval()
    with torch.no_grad():
        for index, width in enumerate(widths):
            if width < wide.widths[index]:
                _narrow_layer(wide, index, width, patches)
        small = YamNet(widths, rank)
        small.layers.load_state_dict(wide.layers.state_dict())
        _take_classes(small, cast(nn.Linear, wide.classes), _mapped(wide.features, patches))
    return small.eval()


def surgeon(moments: Tensor, reader: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """Which ``keep`` channels stay, ascending, and the weights (keep, out) that then read them.

    ``moments`` (channels, channels) are the covariances of the channels, ``reader`` (channels, out) what reads them.
    """
    damped = moments.double() + DAMPING * moments.diagonal().mean().double() * torch.eye(len(moments)).double()
    inverse, weights = torch.linalg.inv(damped), reader.double().clone()
    alive = torch.ones(len(moments), dtype=torch.bool)
    for _ in range(len(moments) - keep):
        cost = weights.square().sum(1) / inverse.diagonal()
        cost[~alive] = torch.inf
        gone = int(cost.argmin())
        column = inverse[:, gone] / inverse[gone, gone]
        weights -= column[:, None] * weights[gone]
        inverse -= column[:, None] * inverse[gone].clone()
        inverse[gone, gone] = 1.0
        weights[gone], alive[gone] = 0.0, False
    kept = alive.nonzero()[:, 0]
    return kept, weights[kept].to(reader.dtype)


def _narrow_layer(net: YamNet, index: int, width: int, patches: Tensor) -> None:
    """Take channels out of layer ``index``, of the depthwise convolution after it, and fit the next one anew."""
    last = index == len(net.widths) - 1
    if last:
        active, reader = _mapped(net.features, patches), cast(nn.Linear, net.classes)
        weight = reader.weight
    else:
        after = cast(Any, net.layers[index + 1])
        run = nn.Sequential(*list(net.layers)[: index + 1], after.depthwise)
        active = _mapped(lambda x: run(x[:, None]).permute(0, 2, 3, 1).flatten(0, 2), patches)
        reader = after.pointwise.conv
        weight = reader.weight[:, :, 0, 0]
    mean = active.mean(0)
    centred = active - mean
    kept, fitted = surgeon(centred.T @ centred / len(centred), weight.T, width)
    bias = reader.bias + weight @ mean - fitted.T @ mean[kept]
    layer = cast(Any, net.layers[index])
    writer = layer if index == 0 else layer.pointwise
    writer.conv = _cut(writer.conv, kept)
    if last:
        net.classes = _linear(fitted.T, bias)
    else:
        after.depthwise.conv = _cut(after.depthwise.conv, kept)
        after.pointwise.conv = _pointwise(fitted.T, bias)
    net.widths = (*net.widths[:index], width, *net.widths[index + 1 :])


def _take_classes(small: YamNet, classes: nn.Linear, features: Tensor) -> None:
    if small.rank is None:
        small.classes.load_state_dict(classes.state_dict())
        return
    first, second = factorise(classes.weight, features.std(0) + 1e-3, small.rank)
    pair = cast(Any, small.classes)
    pair[0].weight.copy_(first)
    pair[1].weight.copy_(second)
    pair[1].bias.copy_(classes.bias + (classes.weight - second @ first) @ features.mean(0))


def _mapped(run: Callable[[Tensor], Tensor], patches: Tensor) -> Tensor:
    return torch.cat([run(patches[i : i + STEP]) for i in range(0, len(patches), STEP)])


def _cut(conv: nn.Conv2d, kept: Tensor) -> nn.Conv2d:
    grouped = conv.groups > 1
    into, groups = (len(kept), len(kept)) if grouped else (conv.in_channels, 1)
    size, stride, padding = cast(Any, (conv.kernel_size, conv.stride, conv.padding))
    made = nn.Conv2d(into, len(kept), size, stride, padding, groups=groups)
    made.weight.copy_(conv.weight[kept])
    made.bias.copy_(cast(Tensor, conv.bias)[kept])  # type: ignore[union-attr]
    return made


def _pointwise(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    made = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
    made.weight.copy_(weight[:, :, None, None])
    made.bias.copy_(bias)  # type: ignore[union-attr]
    return made


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.copy_(weight)
    made.bias.copy_(bias)
    return made
