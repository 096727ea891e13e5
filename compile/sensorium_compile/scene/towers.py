"""The scene model's towers: a picture or a sound -> one token, its place in the text space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from torch import Tensor, nn

from sensorium_compile.scene.space import DIMS, Places, low_rank
from sensorium_compile.scene.yamnet import CLASSES as SOUNDS
from sensorium_compile.scene.yamnet import WHOLE, Layout, Patches, YamNet
from sensorium_compile.towers.efficientnet import EfficientNetOptions, EfficientNetTower

THINGS = 1000  # ImageNet's classes
CLIP = Layout(count=5, step=96)  # 4.8 s: what a clip of ESC-50 holds
FEATURES = 1280  # of EfficientNet-Lite's last convolution


@dataclass(frozen=True, slots=True)
class VisionPlan:
    """Which EfficientNet-Lite, the side of its pictures [pixels], and the rank of its classifier (None: full)."""

    variant: Literal["lite0", "lite1", "lite2"] = "lite0"
    side: int = 224
    rank: int | None = 256


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """The ranks of a YAMNet's layers and of its classifier (None: full), and how the sound is cut."""

    ranks: Sequence[int | None] = WHOLE
    rank: int | None = None
    layout: Layout = CLIP


class VisionTower(nn.Module):
    """Pictures float32 (batch, 3, side, side) of 0..255 -> tokens (batch, 1, 384)."""

    count, width = 1, DIMS

    def __init__(self, plan: VisionPlan) -> None:
        super().__init__()
        self.backbone = EfficientNetTower((plan.side, plan.side), EfficientNetOptions(variant=plan.variant))
        self.classes = low_rank(FEATURES, THINGS, plan.rank)
        self.places = Places(THINGS)

    def logits(self, pictures: Tensor) -> Tensor:
        """Of ImageNet's classes, (batch, 1000)."""
        return cast(Tensor, self.classes(self.backbone(pictures)[:, 0]))

    def forward(self, pictures: Tensor) -> Tensor:
        """See the class."""
        return cast(Tensor, self.places(self.logits(pictures).softmax(-1)))[:, None]


class SoundTower(nn.Module):
    """Sound float32 (batch, samples) at 16 kHz in [-1, 1] -> tokens (batch, 1, 384)."""

    count, width = 1, DIMS

    def __init__(self, plan: SoundPlan) -> None:
        super().__init__()
        self.patches = Patches(plan.layout)
        self.net = YamNet(plan.ranks, plan.rank)
        self.places = Places(SOUNDS)
        self.layout = plan.layout

    def probabilities(self, sound: Tensor) -> Tensor:
        """Of AudioSet's classes, (batch, 521): the mean over the patches."""
        each = cast(Tensor, self.net(self.patches(sound))).sigmoid()
        return each.reshape(sound.shape[0], self.layout.count, -1).mean(1)

    def forward(self, sound: Tensor) -> Tensor:
        """See the class."""
        return cast(Tensor, self.places(self.probabilities(sound)))[:, None]
