"""Cuts the sound encoder out of the scene student: log-mel patches -> the values that its classes come from."""

from typing import cast

import torch
from torch import Tensor, nn

from sensorium_compile.checkpoint import shipped
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, lower
from sensorium_compile.lower.exportable import Exportable
from sensorium_compile.scene.checkpoint import load_scene
from sensorium_compile.scene.towers import SoundTower
from sensorium_compile.scene.yamnet import YamNet


class Encoder(nn.Module):
    """Log-mel patches (batch, 96, 64) -> values (batch, rank of the classifier)."""

    def __init__(self, net: YamNet) -> None:
        super().__init__()
        self.net, self.last = net, cast(nn.Sequential, net.classes)[0]

    def forward(self, patches: Tensor) -> Tensor:
        """See the class."""
        return cast(Tensor, self.last(self.net.features(patches)))


def cut_encoder() -> GraphDraft:
    """For any number of patches, with weights of 8 bits: a quarter of the bytes, and as fast as in float."""
    folder = shipped("scene")
    if folder is None:
        raise CompileError("the checkpoint scene is not here: it is in the repository, not in the wheel; use a clone")
    tower = cast(SoundTower, load_scene(folder).encoders["audio"])
    example = torch.randn(2, 96, 64, generator=torch.Generator().manual_seed(0)) - 3
    graph = Exportable("encoder", Encoder(tower.net).eval(), {"patches": example}, ("values",), batch="any")
    return lower("onnxruntime", graph, "int8-weights", Calibration())
