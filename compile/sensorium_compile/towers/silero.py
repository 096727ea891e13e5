"""Silero VAD v6 at 16 kHz in PyTorch, with the weights of its ONNX graph, for backends that do not read ONNX.

https://github.com/snakers4/silero-vad (MIT). The graph has one branch for each sampling rate; its constants are the
weights.
"""

from collections.abc import Iterator

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from sensorium.components.voice_activity import CHUNK
from sensorium_compile.errors import CompileError

CONTEXT, STATE = 64, 128  # samples of the chunk before; width of its LSTM
_WINDOW, _HOP, _BINS = 256, 128, 129
_BRANCH = "If_0_then_branch__Inline_0__"  # that of 16 kHz
_STRIDES = (1, 2, 2, 1)
_WIDTHS = (_BINS, 128, 64, 64, 128)


class Silero(nn.Module):
    """(1, 576) and the state (2, 1, 128) -> probability of speech (1, 1) and the next state."""

    def __init__(self) -> None:
        super().__init__()
        self.stft = nn.Conv1d(1, 2 * _BINS, _WINDOW, _HOP, bias=False)
        self.encoder = nn.ModuleList(
            nn.Conv1d(taken, given, 3, stride, padding=1)
            for taken, given, stride in zip(_WIDTHS, _WIDTHS[1:], _STRIDES, strict=False)
        )
        self.ih, self.hh = nn.Linear(STATE, 4 * STATE), nn.Linear(STATE, 4 * STATE)
        self.decoder = nn.Linear(STATE, 1)

    def forward(self, sound: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One chunk with its context."""
        mirrored = torch.cat([sound, sound[:, -CONTEXT - 1 : -1].flip(1)], dim=1)  # (1, 640)
        real, imaginary = self.stft(mirrored[:, None]).chunk(2, dim=1)  # (1, 129, 4) each
        x = torch.sqrt(real * real + imaginary * imaginary)
        for layer in self.encoder:
            x = torch.relu(layer(x))
        hidden, cell = state[0], state[1]  # (1, 128) each
        enter, forget, new, leave = (self.ih(x[:, :, 0]) + self.hh(hidden)).chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        return torch.sigmoid(self.decoder(torch.relu(hidden))), torch.stack([hidden, cell])


def read_silero(model: bytes) -> Silero:
    """The module with the weights of Silero's ONNX graph; raises CompileError where it has others."""
    found = dict(_constants(onnx.load_from_string(model).graph))
    names = {"stft.weight": "stft.forward_basis_buffer", "decoder.weight": "decoder.decoder.2.weight"}
    names |= {"decoder.bias": "decoder.decoder.2.bias"}
    names |= {f"{own}.{kind}": f"decoder.rnn.{kind}_{own}" for own in ("ih", "hh") for kind in ("weight", "bias")}
    names |= {
        f"encoder.{i}.{kind}": f"encoder.{i}.reparam_conv.{kind}" for i in range(4) for kind in ("weight", "bias")
    }
    module = Silero().eval()
    try:
        weights = {own: found[_BRANCH + theirs] for own, theirs in names.items()}
        weights["decoder.weight"] = weights["decoder.weight"].squeeze(2)
        module.load_state_dict(weights)
    except (KeyError, RuntimeError, IndexError) as err:
        raise CompileError(f"this is not the Silero VAD of silero-vad 6: {err}") from err
    return module


def example() -> dict[str, Tensor]:
    """Inputs of the shapes that it takes."""
    return {"input": torch.zeros(1, CONTEXT + CHUNK), "state": torch.zeros(2, 1, STATE)}


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, Tensor]]:
    """Every constant of the graph and of its branches."""
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                yield node.output[0], torch.from_numpy(numpy_helper.to_array(attribute.t).copy())
            if attribute.HasField("g"):
                yield from _constants(attribute.g)
