"""A trained-looking model for ExecuTorch alone, with random weights, a smaller variant and the real voice detector."""

from pathlib import Path

import torch
from torch import Tensor, nn

from sensorium.bundle.loaded import host_target
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.lower import Calibration, Exportable, lower
from sensorium_compile.pack import pack
from sensorium_compile.parts.voice_activity import build_for
from sensorium_compile.targets.processor import proved
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

BACKEND = "executorch"
LABELS = ("red", "green", "blue", "white", "black", "grey")
WIDTH = 8
SIZES = {"model": (48, 8000), "model-small": (32, 4800)}  # pixels, samples


class Vision(nn.Module):
    """(1, 3, size, size) -> (1, 1, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, WIDTH, 3, 2, 1), nn.Linear(WIDTH, WIDTH)

    def forward(self, sample: Tensor) -> Tensor:
        seen = torch.relu(self.convolution(sample / 255 - 0.5))
        return self.linear(seen.mean((2, 3)))[:, None] * 20


class Audio(nn.Module):
    """(1, samples) -> (1, 2, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv1d(1, WIDTH, 80, 40), nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, sample: Tensor) -> Tensor:
        heard = torch.relu(self.convolution(sample[:, None]))
        return self.linear(heard.mean(2)).reshape(1, 2, WIDTH) * 60


class Fusion(nn.Module):
    """Tokens and presence -> logits (1, 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.vision, self.audio = nn.Linear(WIDTH, len(LABELS)), nn.Linear(2 * WIDTH, len(LABELS))

    def forward(self, vision: Tensor, audio: Tensor, presence: Tensor) -> Tensor:
        seen, heard = self.vision(vision[:, 0]), self.audio(audio.reshape(1, -1))
        return torch.tanh(seen) * 3 * presence[:, :1] + torch.tanh(heard) * 3 * presence[:, 1:]


def make(out: Path, weights: Weights, target: str | None = None) -> Path:
    """The bundle; for this machine's processor where nothing else is asked for."""
    torch.manual_seed(0)
    modules = {"vision": Vision().eval(), "audio": Audio().eval(), "fusion": Fusion().eval()}
    parts = {name: _part(name, modules, size, samples) for name, (size, samples) in SIZES.items()}
    chip = Target.parse(target or host_target())
    pack("tiny", str(chip), proved({**parts, "voice_activity": build_for(weights, BACKEND)}, chip), out)
    return out


def _part(name: str, modules: dict[str, nn.Module], size: int, samples: int) -> PartDraft:
    tokens = {"vision": torch.zeros(1, 1, WIDTH), "audio": torch.zeros(1, 2, WIDTH), "presence": torch.ones(1, 2)}
    inputs = {
        "vision": {"sample": torch.zeros(1, 3, size, size)},
        "audio": {"sample": torch.zeros(1, samples)},
        "fusion": tokens,
    }
    outputs = {"vision": "tokens", "audio": "tokens", "fusion": "colour"}
    return PartDraft(
        role="model" if name == "model" else "variant",
        graphs={graph: _lowered(graph, modules[graph], given, outputs[graph]) for graph, given in inputs.items()},
        config={
            "modalities": {
                "vision": {"kind": "image", "height": size, "width": size},
                "audio": {"kind": "sound", "samples": samples},
            },
            "heads": {"colour": {"kind": "classes", "labels": list(LABELS)}},
            "temperature": {"vision": 0.7, "vision+audio": 1.3},
        },
    )


def _lowered(name: str, module: nn.Module, inputs: dict[str, Tensor], output: str) -> GraphDraft:
    return lower(BACKEND, Exportable(name, module, inputs, (output,)), "float32", Calibration())
