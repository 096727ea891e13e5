"""A tower for clips: any tower for images over each frame, and a small transformer over the frames."""

from dataclasses import dataclass
from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from sensorium_compile.towers.base import Tower, TowerOptions
from sensorium_compile.towers.registry import build_tower, dimension
from sensorium_compile.towers.transformer import Reader
from sensorium_compile.zoo import Weights

NAME = "video"


class VideoOptions(TowerOptions):
    """What looks at a frame, and what looks at the frames."""

    image: str = "convnet"  # the tower of a frame
    options: dict[str, object] = Field(default_factory=dict)  # of that tower; its width is the video's
    width: Annotated[int, Field(ge=1)] = 64
    tokens: Annotated[int, Field(ge=1)] = 1
    layers: Annotated[int, Field(ge=1, le=4)] = 1
    heads: Annotated[int, Field(ge=1)] = 4


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """One frame of a clip as a tower for images is told."""

    height: int
    width: int
    kind: str = "image"
    frames: int = 1


class TemporalHead(nn.Module):
    """Tokens of the frames in their order (batch, frames * tokens, width) -> (batch, count, width)."""

    def __init__(self, steps: int, options: VideoOptions) -> None:
        super().__init__()
        self.reader = Reader(steps, options.width, count=options.tokens, layers=options.layers, heads=options.heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend to all frames, each marked with its place."""
        return cast(Tensor, self.reader(tokens))


class VideoTower(Tower):
    """Clip float32 (batch, frames, 3, height, width), oldest first, RGB of 0..255 -> tokens (batch, count, width)."""

    def __init__(self, frames: int, image: Tower, options: VideoOptions) -> None:
        super().__init__(options.tokens, options.width)
        self.frames = frames
        self.image = image
        self.temporal = TemporalHead(frames * image.count, options)

    def forward(self, sample: Tensor) -> Tensor:
        """Frames one by one, then all of them; a single image (batch, 3, height, width) is a clip of one frame."""
        tokens = self.image(sample.flatten(0, 1) if sample.ndim == 5 else sample)  # (batch * frames, tokens, width)
        return cast(Tensor, self.temporal(tokens.reshape(-1, self.frames * self.image.count, self.width)))


def build(spec: object, options: VideoOptions, weights: Weights | None) -> VideoTower:
    """The tower for clips of ``spec.frames`` images of ``spec.height`` x ``spec.width``."""
    frames = dimension(spec, "frames", NAME)
    frame = FrameSpec(dimension(spec, "height", NAME), dimension(spec, "width", NAME))
    image = build_tower(options.image, frame, {**options.options, "width": options.width}, weights)
    return VideoTower(frames, image, options)
