"""A module written so that an Ethos-U takes all of it, and 16-bit integers hold it: equal in PyTorch, to rounding.

What Vela leaves to the processor, or a quantizer in float: the level of a sound (a division, and powers of more than 16
bits), which whoever quantizes the input does first; a convolution with a stride of 64 over one channel; MINIMUM;
SQUARED_DIFFERENCE in 16 bits; GELU in 16 bits, whose cubes 16 bits do not hold either; a product with a constant
matrix; a normalisation of tokens whose variances are far apart.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sensorium_compile.model.attention import Block
from sensorium_compile.model.fusions import CrossModalFusion
from sensorium_compile.towers.logmel import Levelled
from sensorium_compile.towers.moonshine import Layer, MoonshineTower, Waves

WIDEST = 5.0  # beyond it the tanh of GELU is 1 to 7 digits


@dataclass(frozen=True, slots=True, eq=False)
class NpuForm:
    """A module for the NPU and what is done to its input before."""

    module: nn.Module
    host: nn.Module | None  # on the processor, before the input is quantized
    told: str = ""  # what that is, in words


def npu_form(module: nn.Module) -> NpuForm:
    """A copy of the module in the NPU's form; parts that need no other are as they were."""
    made = _rewritten(copy.deepcopy(module).eval())
    if isinstance(module, MoonshineTower) and isinstance(module.level, Levelled):
        return NpuForm(made, module.level, "the loudest 100 ms are brought to -20 dBFS")
    return NpuForm(made, None)


class NpuNorm(nn.Module):
    """Layer normalisation over the last axis without SQUARED_DIFFERENCE."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.epsilon = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> the same."""
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred * ((centred * centred).mean(-1, keepdim=True) + self.epsilon).rsqrt() * self.weight
        return scaled if self.bias is None else scaled + self.bias


class NpuGelu(nn.Module):
    """GELU by tanh (arXiv 1606.08415), 5e-4 from the exact one; at most ``most`` where that is given."""

    def __init__(self, most: float | None = None) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        near = WIDEST - functional.relu(2 * WIDEST - functional.relu(x + WIDEST))  # x within -5 and 5
        slope = math.sqrt(2 / math.pi)
        half = x * 0.5
        made = half * torch.tanh(near * (near * near * (0.044715 * slope) + slope)) + half
        return made if self.most is None else self.most - functional.relu(self.most - made)


class NpuConv(nn.Module):
    """A convolution over time with channels last, as one over a picture of one line, which needs no transposition.

    Where one follows a convolution, Vela writes its output transposed and keeps no weights in SRAM: an Ethos-U85 reads
    them from DRAM again for every step.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, stride: int = 1) -> None:
        super().__init__()
        made, given, taps = weight.shape
        self.conv = nn.Conv2d(given, made, (1, taps), (1, stride), bias=bias is not None)
        self.conv.weight = nn.Parameter(weight.detach()[:, :, None].contiguous(), requires_grad=False)
        self.conv.bias = bias if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, channels) -> the same, of others."""
        made: Tensor = self.conv(x[:, None].permute(0, 3, 1, 2)).permute(0, 2, 3, 1)[:, 0]
        return made


class NpuWaves(nn.Module):
    """``Waves`` whose 127 taps with a stride of 64 are 2 taps over 64 channels; means one axis after the other."""

    def __init__(self, waves: Waves, samples: int) -> None:
        super().__init__()
        taps, self.hop = waves.conv.kernel_size[0], waves.conv.stride[0]
        self.frames = (samples - taps) // self.hop + 1
        self.pieces = self.frames - 1 + -(-taps // self.hop)
        padded = functional.pad(waves.conv.weight.detach(), (0, (self.pieces - self.frames + 1) * self.hop - taps))
        self.conv = NpuConv(padded.reshape(padded.shape[0], -1, self.hop).transpose(1, 2))  # (channels, 64, 2)
        self.gain, self.offset = (nn.Parameter(one.detach().transpose(1, 2)) for one in (waves.gain, waves.offset))
        self.epsilon = 1e-5

    def forward(self, sound: Tensor) -> Tensor:
        """(batch, samples) -> (batch, frames, channels)."""
        used = self.pieces * self.hop
        whole = functional.pad(sound, (0, max(0, used - sound.shape[1])))[:, :used]
        x = torch.tanh(self.conv(whole.reshape(-1, self.pieces, self.hop)))
        centred = x - x.mean(1, keepdim=True).mean(2, keepdim=True)
        scale = ((centred * centred).mean(1, keepdim=True).mean(2, keepdim=True) + self.epsilon).rsqrt()
        return centred * scale * self.gain + self.offset


class NpuLayer(nn.Module):
    """``Layer`` whose turned queries and keys are linear layers of their own, and whose scale is in its weights."""

    def __init__(self, layer: Layer, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = NpuNorm(layer.norm1), NpuNorm(layer.norm2)
        self.key, self.value, self.out, self.fc1, self.fc2 = layer.key, layer.value, layer.out, layer.fc1, layer.fc2
        swap = torch.kron(torch.eye(heads), layer.get_buffer("swap"))
        self.query = _linear(layer.query.weight * (layer.query.out_features // heads) ** -0.5)
        self.turned_query, self.turned_key = _linear(swap.T @ self.query.weight), _linear(swap.T @ layer.key.weight)
        self.register_buffer("cos", layer.get_buffer("cos").repeat(1, heads))
        self.register_buffer("sin", layer.get_buffer("sin").repeat(1, heads))
        self.gelu, self.heads = NpuGelu(), heads

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) -> the same."""
        normed, cos, sin = self.norm1(x), self.get_buffer("cos"), self.get_buffer("sin")
        q = self._split(self.query(normed) * cos + self.turned_query(normed) * sin)
        k = self._split(self.key(normed) * cos + self.turned_key(normed) * sin)
        mixed = (q @ k.transpose(2, 3)).softmax(-1) @ self._split(self.value(normed))
        x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        made: Tensor = x + self.fc2(self.gelu(self.fc1(self.norm2(x))))
        return made

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)


class NpuMoonshine(nn.Module):
    """``MoonshineTower`` after its level."""

    def __init__(self, tower: MoonshineTower) -> None:
        super().__init__()
        self.waves = NpuWaves(tower.waves, tower.samples)
        self.conv2, self.conv3 = (NpuConv(c.weight, c.bias, c.stride[0]) for c in (tower.conv2, tower.conv3))
        self.pool = tower.pool
        self.gelu2, self.gelu3 = NpuGelu(tower.clip), NpuGelu()
        heads = tower.heads
        self.layers = nn.ModuleList([NpuLayer(layer, heads) for layer in tower.layers if isinstance(layer, Layer)])
        self.norm, self.project = NpuNorm(tower.norm), _rewritten(tower.project)

    def forward(self, sample: Tensor) -> Tensor:
        """Levelled sound to tokens."""
        x = self.gelu3(self.conv3(self.gelu2(self.conv2(self.waves(sample)))))
        for layer in self.layers:
            x = layer(x)
        made: Tensor = self.project(self.pool(self.norm(x).transpose(1, 2)))
        return made


class NpuBlock(nn.Module):
    """``Block`` over another context, whose first normalisation may be done elsewhere."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.norm1, self.norm2 = NpuNorm(block.norm1), NpuNorm(block.norm2)
        self.attention, self.mlp = block.attention, block.mlp

    def forward(self, x: Tensor, context: Tensor, normed: Tensor | None = None) -> Tensor:
        """(batch, n, width) over (batch, m, width) -> (batch, n, width)."""
        x = x + self.attention(self.norm1(x) if normed is None else normed, context)
        made: Tensor = x + self.mlp(self.norm2(x))
        return made


class NpuRead(nn.Module):
    """A block that one constant token asks: its query is in the weights of the keys."""

    def __init__(self, block: Block, token: Tensor) -> None:
        super().__init__()
        attention, heads = block.attention, block.attention.heads
        with torch.no_grad():
            query = attention.query(block.norm1(token)).view(heads, -1, 1) * attention.size**-0.5  # (heads, size, 1)
            weight = (attention.key.weight.view(heads, attention.size, -1) * query).sum(1)  # (heads, width)
            bias = (attention.key.bias.view(heads, attention.size) * query[..., 0]).sum(1)
        self.scores = _linear(weight, bias)
        self.value, self.out, self.mlp, self.norm2 = attention.value, attention.out, block.mlp, NpuNorm(block.norm2)
        self.token, self.heads = token, heads

    def forward(self, context: Tensor) -> Tensor:
        """(batch, m, width) -> (batch, 1, width)."""
        batch, places, width = context.shape
        attended = self.scores(context).transpose(1, 2).softmax(-1)  # (batch, heads, m)
        values = self.value(context).view(batch, places, self.heads, -1).transpose(1, 2)
        x = self.token + self.out((attended[:, :, None] @ values).reshape(batch, 1, width))
        made: Tensor = x + self.mlp(self.norm2(x))
        return made


class NpuFusion(nn.Module):
    """``CrossModalFusion`` that normalises a modality's tokens and its missing tokens apart.

    The variance of the missing ones is 400 times less, which one range of an integer does not hold.
    """

    def __init__(self, fusion: CrossModalFusion) -> None:
        super().__init__()
        self.kind, self.token = fusion.kind, fusion.token
        blocks = [list(cast(nn.ModuleList, layer)) for layer in fusion.cross]
        self.cross = nn.ModuleList([nn.ModuleList([NpuBlock(cast(Block, b)) for b in layer]) for layer in blocks])
        self.read, self.norm = NpuRead(fusion.read, fusion.token.detach()), NpuNorm(fusion.norm)
        with torch.no_grad():
            absent = [m + kind for m, kind in zip(fusion.missing, fusion.kind, strict=True)]
            self.absent = nn.ParameterList(absent)
            norms = [cast(Block, block).norm1 for block in blocks[0]]
            self.absent_normed = nn.ParameterList([norm(a) for norm, a in zip(norms, absent, strict=True)])

    def forward(self, tokens: Sequence[Tensor], presence: Tensor) -> Tensor:
        """See ``Fusion``; presence is 0 or 1."""
        first = self.token.expand(presence.shape[0], -1, -1)
        streams: list[Tensor] = []
        normed: list[Tensor | None] = []
        first_blocks = cast(nn.ModuleList, self.cross[0])
        for i, (own, block) in enumerate(zip(tokens, first_blocks, strict=True)):
            there = presence[:, i].view(-1, 1, 1)
            marked, away = own + self.kind[i], 1 - there
            streams.append(marked * there + self.absent[i] * away)
            normed.append(cast(NpuBlock, block).norm1(marked) * there + self.absent_normed[i] * away)
        for layer in self.cross:
            context = torch.cat([first, *streams], 1)
            blocks = cast(nn.ModuleList, layer)
            streams = [block(x, context, n) for block, x, n in zip(blocks, streams, normed, strict=True)]
            normed = [None] * len(streams)
        made: Tensor = self.norm(self.read(torch.cat([first, *streams], 1)))[:, 0]
        return made


_FORMS: dict[type[nn.Module], Callable[..., nn.Module]] = {
    nn.LayerNorm: NpuNorm,
    CrossModalFusion: NpuFusion,
    MoonshineTower: NpuMoonshine,
}


def _rewritten(module: nn.Module) -> nn.Module:
    if (form := _FORMS.get(type(module))) is not None:
        return form(module)
    for name, child in module.named_children():
        setattr(module, name, _rewritten(child))
    return module


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made
