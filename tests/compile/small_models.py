"""A two-tower model small enough to be lowered in a test: convolutions, a front end in float, words, attention."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.samples import Array
from sensorium_compile.lower import Exportable

WIDTH, LABELS = 16, 5
SUBSETS = {"vision": (1.0, 0.0), "audio": (0.0, 1.0), "vision+audio": (1.0, 1.0)}


class Vision(nn.Module):
    """(1, 3, 16, 16) of 0..255 -> (1, 16, width): convolution, normalisation and depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.project = nn.Linear(8, WIDTH)

    def forward(self, sample: Tensor) -> Tensor:
        x = nn.functional.silu(self.norm(self.deep(self.stem(sample / 127.5 - 1))))
        return self.project(x.flatten(2).transpose(1, 2))


class Spectrum(nn.Module):
    """(1, samples) -> (1, 16, frames): a front end, whose logarithm int8 would wreck."""

    float_only = True

    def __init__(self) -> None:
        super().__init__()
        angle = 2 * math.pi * torch.arange(64.0) * torch.arange(16.0)[:, None] / 64
        self.register_buffer("kernel", torch.cat([angle.cos(), angle.sin()])[:, None])

    def forward(self, sample: Tensor) -> Tensor:
        x = nn.functional.conv1d(sample[:, None], self.kernel, stride=32)  # (1, 32, frames)
        return (x[:, :16] ** 2 + x[:, 16:] ** 2 + 1e-3).log()


class Audio(nn.Module):
    """(1, 544) in -1..1 -> (1, 8, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.front = Spectrum()
        self.convolution = nn.Conv1d(16, 12, 3, 2, 1)
        self.project = nn.Linear(12, WIDTH)

    def forward(self, sample: Tensor) -> Tensor:
        return self.project(nn.functional.gelu(self.convolution(self.front(sample))).transpose(1, 2))


class Words(nn.Module):
    """(1, 6) word pieces -> (1, 6, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, WIDTH, padding_idx=0)
        self.project = nn.Linear(WIDTH, WIDTH)

    def forward(self, sample: Tensor) -> Tensor:
        return self.project(self.table(sample))


class Block(nn.Module):
    """Attention in two heads, written out, over a context or itself; then two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.mlp = nn.Sequential(
            nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        batch, half = x.shape[0], WIDTH // 2
        y = self.norm(x)
        over = y if context is None else context
        query = self.query(y).view(batch, -1, 2, half).transpose(1, 2)  # (batch, heads, n, half)
        key = self.key(over).view(batch, -1, 2, half).permute(0, 2, 3, 1)
        value = self.value(over).view(batch, -1, 2, half).transpose(1, 2)
        mixed = (query * half**-0.5 @ key).softmax(-1) @ value
        x = x + mixed.transpose(1, 2).reshape(batch, -1, WIDTH)
        return x + self.mlp(x)


class Fusion(nn.Module):
    """Tokens of both towers and presence (1, 2) -> {"sign": (1, labels), "place": (1, 8)}.

    The token that reads is learned: its query is a constant, which backends fold each in its own way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.missing = nn.Parameter(torch.randn(2, WIDTH))
        self.blocks = nn.ModuleList([nn.ModuleList([Block()])])  # nested: names alone do not tell the path
        self.read = Block()
        self.heads = nn.ModuleDict({"sign": nn.Linear(WIDTH, LABELS), "place": nn.Linear(WIDTH, 8)})

    def forward(self, vision: Tensor, audio: Tensor, presence: Tensor) -> dict[str, Tensor]:
        first = self.token.expand(presence.shape[0], -1, -1)
        tokens = [first]
        for i, own in enumerate((vision, audio)):
            there = presence[:, i : i + 1, None]
            tokens.append(own * there + self.missing[i] * (1 - there))
        x = torch.cat(tokens, 1)
        for layer in self.blocks:
            for block in layer:
                x = block(x)
        state = self.read(first, torch.cat([first, x], 1))[:, 0]  # (1, width)
        return {name: head(state) for name, head in self.heads.items()}


class Small:
    """The graphs of the model, and samples for them.

    Each label has a picture and a sound of its own, and the model is trained to tell them: decisions are no ties.
    """

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.vision, self.audio, self.fusion = Vision().eval(), Audio().eval(), Fusion().eval()
        for module in self.vision.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
        self._pictures, self._sounds = torch.rand(LABELS, 3, 4, 4) * 255, torch.randn(LABELS, 544)
        self._train()
        self.exportables = {name: self._exportable(name) for name in ("vision", "audio", "fusion")}

    def feeds(self, seed: int, count: int) -> dict[str, list[dict[str, Array]]]:
        """Samples of each graph; those of the fusion are tokens, with every subset in turn."""
        samples = self.samples(seed, count)
        presences = [np.array([list(SUBSETS.values())[i % 3]], np.float32) for i in range(count)]
        return {
            "vision": [{"sample": v.numpy()} for v, _ in samples],
            "audio": [{"sample": a.numpy()} for _, a in samples],
            "fusion": [
                {"vision": eager(self.vision, v), "audio": eager(self.audio, a), "presence": presence}
                for (v, a), presence in zip(samples, presences, strict=True)
            ],
        }

    def eager(self, image: Array, sound: Array, presence: Array) -> dict[str, Array]:
        """What torch itself says to samples."""
        with torch.inference_mode():
            vision, audio = self.vision(torch.from_numpy(image)), self.audio(torch.from_numpy(sound))
            made = self.fusion(vision, audio, torch.from_numpy(presence))
        return {name: tensor.numpy() for name, tensor in made.items()}

    def samples(self, seed: int, count: int) -> list[tuple[Tensor, Tensor]]:
        """Pictures and sounds of each label in turn, with noise."""
        generator = torch.Generator().manual_seed(seed)
        made = []
        for i in range(count):
            picture = self._pictures[i % LABELS] + 20 * torch.randn(3, 4, 4, generator=generator)
            sound = self._sounds[i % LABELS] + 0.2 * torch.randn(544, generator=generator)
            image = nn.functional.interpolate(picture.clamp(0, 255)[None], size=16)
            made.append((image, sound[None] * 0.2))
        return made

    def _train(self) -> None:
        """A second of training, with every subset in turn."""
        modules = nn.ModuleList([self.vision, self.audio, self.fusion])
        optimiser = torch.optim.Adam(modules.parameters(), lr=5e-3)
        images, sounds = (torch.cat(column) for column in zip(*self.samples(7, 20 * LABELS), strict=True))
        labels = torch.arange(20 * LABELS) % LABELS
        for step in range(60):
            presence = torch.tensor(list(SUBSETS.values())[step % 3]).expand(len(labels), -1)
            made = self.fusion(self.vision(images), self.audio(sounds), presence)
            optimiser.zero_grad()
            nn.functional.cross_entropy(made["sign"], labels).backward()
            optimiser.step()
        modules.requires_grad_(False)

    def _exportable(self, name: str) -> Exportable:
        feed = {key: torch.from_numpy(value) for key, value in self.feeds(0, 1)[name][0].items()}
        outputs = ("sign", "place") if name == "fusion" else ("tokens",)
        return Exportable(name, getattr(self, name), feed, outputs)


def eager(module: nn.Module, *inputs: Tensor) -> Array:
    """What torch itself says."""
    with torch.inference_mode():
        return module(*inputs).numpy()
