"""Moonshine's speech encoder as a tower (Jeffries et al., https://arxiv.org/abs/2410.15608): from raw sound to tokens.

Starts from the published tiny model in the zoo, whose linear layers have 8-bit weights. Trained to transcribe thousands
of speakers, its features tell words apart where those of a few speakers' recordings would tell voices apart.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sensorium_compile.errors import CompileError
from sensorium_compile.towers.base import Tower, TowerOptions, projection
from sensorium_compile.towers.layers import StepPool, copy_into
from sensorium_compile.towers.logmel import RATE_HZ, Levelled
from sensorium_compile.towers.narrow import narrowed_width, strongest
from sensorium_compile.towers.ort_file import read_weights
from sensorium_compile.towers.registry import dimension
from sensorium_compile.zoo import Weights

NAME, ENTRY = "moonshine", "moonshine-tiny-en-encoder"

# The tiny model: arXiv 2410.15608, table 1.
_WIDTH, _INNER, _HEADS, _MLP = 288, 576, 8, 1152
_SIZE = _WIDTH // _HEADS  # 36
_ROTATED = 32  # of a head's 36 values
_BASE = 10_000.0
_EPSILON = 1e-5
_SHORTEST = 895  # samples that give one frame


class MoonshineOptions(TowerOptions):
    """How much of the encoder is kept, and what it gives."""

    layers: Annotated[int, Field(ge=1, le=6)] = 6  # of the transformer, from the first
    inner: Annotated[float, Field(gt=0, le=1)] = 1.0  # share of the 576 channels between the convolutions
    mlp: Annotated[float, Field(gt=0, le=1)] = 1.0  # share of the 1152 values inside each layer
    tokens: Annotated[int, Field(ge=1)] | None = None  # none: one every 24 ms
    clip: Annotated[float, Field(gt=0)] | None = None  # what the second convolution gives is cut off there
    level: Literal["given", "loudest"] = "loudest"  # the loudest 100 ms are brought to -20 dBFS first


class Waves(nn.Module):
    """Learned filters over the wave, normalised over time: (batch, samples) -> (batch, 288, frames)."""

    float_only = True  # 8 bits of a wave are not enough

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, _WIDTH, 127, 64, bias=False)
        self.gain, self.offset = nn.Parameter(torch.ones(1, _WIDTH, 1)), nn.Parameter(torch.zeros(1, _WIDTH, 1))

    def forward(self, sound: Tensor) -> Tensor:
        """Group normalisation with one group, written out."""
        x = torch.tanh(self.conv(sound[:, None]))
        centred = x - x.mean((1, 2), keepdim=True)
        scale = (centred * centred).mean((1, 2), keepdim=True).add(_EPSILON).rsqrt()
        return centred * scale * self.gain + self.offset


class Layer(nn.Module):
    """A pre-norm transformer layer whose queries and keys are turned by their place (arXiv 2104.09864)."""

    def __init__(self, frames: int, mlp: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(_WIDTH, bias=False) for _ in range(2))
        self.query, self.key, self.value, self.out = (nn.Linear(_WIDTH, _WIDTH, bias=False) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(_WIDTH, mlp), nn.Linear(mlp, _WIDTH)
        cos, sin = _turns(frames)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.register_buffer("swap", _swap(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, 288) -> the same."""
        normed = self.norm1(x)
        q = self._turned(self._split(self.query(normed))) * _SIZE**-0.5
        k = self._turned(self._split(self.key(normed)))
        v = self._split(self.value(normed))
        mixed = ((q @ k.transpose(2, 3)).softmax(-1) @ v).transpose(1, 2).reshape(x.shape[0], -1, _WIDTH)
        x = x + self.out(mixed)
        return cast(Tensor, x + self.fc2(functional.gelu(self.fc1(self.norm2(x)))))

    def _split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1, _HEADS, _SIZE).transpose(1, 2)  # (batch, heads, frames, 36)

    def _turned(self, x: Tensor) -> Tensor:
        return x * self.cos + (x @ self.swap) * self.sin  # type: ignore[operator]


class MoonshineTower(Tower):
    """Sound float32 (batch, samples) in [-1, 1] at 16 kHz -> tokens (batch, count, width)."""

    PRETRAINED = ("waves", "conv2", "conv3", "layers")

    def __init__(self, samples: int, options: MoonshineOptions) -> None:
        frames = frame_count(samples)
        super().__init__(options.tokens or frames, options.width or _WIDTH)
        self.samples, self.heads = samples, _HEADS
        inner, mlp = narrowed_width(_INNER, options.inner), narrowed_width(_MLP, options.mlp)
        self.level = Levelled() if options.level == "loudest" else nn.Identity()
        self.waves = Waves()
        self.conv2, self.conv3 = nn.Conv1d(_WIDTH, inner, 7, 3), nn.Conv1d(inner, _WIDTH, 3, 2)
        # A few of its inputs are far larger than the rest (114, where 99 of 100 are below 5): in 8 bits they cost
        # spoken digits 4 points, dynamic or not. A clip that is trained with makes 8 bits enough.
        self.conv3.float_inputs = options.clip is None  # type: ignore[assignment]
        self.clip = options.clip
        self.layers = nn.ModuleList([Layer(frames, mlp) for _ in range(options.layers)])
        self.norm = nn.LayerNorm(_WIDTH, bias=False)
        self.pool = StepPool(frames, self.count)
        self.project = projection(_WIDTH, options.width)

    def forward(self, sample: Tensor) -> Tensor:
        """Sound to tokens."""
        x = functional.gelu(self.conv2(self.waves(self.level(sample))))
        if self.clip is not None:
            x = x.clamp(max=self.clip)
        x = functional.gelu(self.conv3(x)).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return cast(Tensor, self.project(self.pool(self.norm(x).transpose(1, 2))))


def build(spec: object, options: MoonshineOptions, weights: Weights | None) -> MoonshineTower:
    """The tower for sound of ``spec.samples`` at ``spec.rate_hz``, which must be 16 kHz."""
    rate_hz = dimension(spec, "rate_hz", NAME)
    if rate_hz != RATE_HZ:
        raise CompileError(f"tower {NAME!r} takes sound at {RATE_HZ} Hz; given {rate_hz} Hz")
    tower = MoonshineTower(dimension(spec, "samples", NAME), options)
    if weights is not None:
        load_pretrained(tower, weights.path(ENTRY))
    return tower


def frame_count(samples: int) -> int:
    """How many frames of 24 ms so many samples give; raises CompileError where it is none."""
    frames = (((samples - 127) // 64 + 1 - 7) // 3 + 1 - 3) // 2 + 1
    if frames < 1:
        raise CompileError(f"sound of {samples} samples is too short for tower {NAME!r}; give at least {_SHORTEST}")
    return frames


def load_pretrained(tower: MoonshineTower, file: Path) -> None:
    """Copy what the tower keeps of the published weights; of narrowed layers the channels that are used most stay."""
    given = read_weights(file)
    try:
        state = _renamed(given, len(tower.layers))
    except KeyError as err:
        raise CompileError(f"{file.name} has no weight {err}: is it Moonshine's tiny encoder?") from err
    inner = _strongest(state["conv2.weight"].flatten(1), state["conv3.weight"].transpose(0, 1).flatten(1),
                       tower.conv2.out_channels)  # fmt: skip
    state["conv2.weight"], state["conv2.bias"] = state["conv2.weight"][inner], state["conv2.bias"][inner]
    state["conv3.weight"] = state["conv3.weight"][:, inner]
    for i, layer in enumerate(tower.layers):
        first, second = f"layers.{i}.fc1", f"layers.{i}.fc2.weight"
        kept = _strongest(state[f"{first}.weight"], state[second].T, cast(Layer, layer).fc1.out_features)
        state[f"{first}.weight"], state[f"{first}.bias"] = state[f"{first}.weight"][kept], state[f"{first}.bias"][kept]
        state[second] = state[second][:, kept]
    for name, values in state.items():
        copy_into(tower.get_parameter(name), values)


def _renamed(given: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The published weights under this tower's names."""
    state = {
        "waves.conv.weight": given["conv1.weight_add_tensor"],
        "waves.gain": given["onnx::Mul_2080"].view(1, -1, 1),
        "waves.offset": given["onnx::Add_2081"].view(1, -1, 1),
        "norm.weight": given["layer_norm.weight"],
    }
    for name in ("conv2", "conv3"):
        state |= {f"{name}.weight": given[f"{name}.weight_add_tensor"], f"{name}.bias": given[f"{name}.bias"]}
    for i in range(layers):
        theirs, ours = f"layers.{i}", f"layers.{i}"
        state[f"{ours}.norm1.weight"] = given[f"{theirs}.input_layernorm.weight"]
        state[f"{ours}.norm2.weight"] = given[f"{theirs}.post_attention_layernorm.weight"]
        for own, letter in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "o")):
            state[f"{ours}.{own}.weight"] = given[f"{theirs}.self_attn.{letter}_proj"].T
        for own in ("fc1", "fc2"):
            state[f"{ours}.{own}.weight"] = given[f"{theirs}.mlp.{own}"].T
            state[f"{ours}.{own}.bias"] = given[f"{theirs}.mlp.{own}.bias"]
    return state


def _strongest(made: Tensor, read: Tensor, count: int) -> Tensor:
    """The ``count`` channels with the largest product of what makes them and what reads them, in their order."""
    return strongest(made.norm(dim=1) * read.norm(dim=1), count)


def _turns(frames: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine for every place and value of a head: (frames, 36); what is not turned has 1 and 0."""
    steps = torch.arange(0, _ROTATED, 2, dtype=torch.float64) / _ROTATED
    angles = torch.arange(frames, dtype=torch.float64)[:, None] * torch.pow(torch.tensor(_BASE), -steps)[None]
    angles = angles.repeat_interleave(2, dim=1)  # (frames, 32)
    rest = _SIZE - _ROTATED
    cos = torch.cat([angles.cos(), torch.ones(frames, rest, dtype=torch.float64)], 1)
    sin = torch.cat([angles.sin(), torch.zeros(frames, rest, dtype=torch.float64)], 1)
    return cos.float(), sin.float()


def _swap() -> Tensor:
    """(36, 36): x @ swap has -x1, x0, -x3, x2 ..."""
    swap = torch.zeros(_SIZE, _SIZE)
    for i in range(0, _ROTATED, 2):
        swap[i + 1, i], swap[i, i + 1] = -1.0, 1.0
    return swap
