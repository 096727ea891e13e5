"""Towers: the networks that turn a sample of each modality into tokens for the fusion."""

from sensorium_compile.towers import convnet, efficientnet, minilm, moonshine, readings, small_text, speech, video
from sensorium_compile.towers.base import Projection, Tower, TowerOptions, projection
from sensorium_compile.towers.layers import ConvNorm, GridPool, StepPool, fold_batchnorm
from sensorium_compile.towers.registry import (
    build_tower,
    dimension,
    image_side,
    parse_options,
    register_tower,
    tower_names,
)
from sensorium_compile.towers.video import TemporalHead, VideoTower

register_tower(convnet.NAME, convnet.build, convnet.ConvNetOptions)
register_tower(efficientnet.NAME, efficientnet.build, efficientnet.EfficientNetOptions)
register_tower(minilm.NAME, minilm.build, minilm.MiniLmOptions)
register_tower(moonshine.NAME, moonshine.build, moonshine.MoonshineOptions)
register_tower(readings.NAME, readings.build, readings.ReadingsOptions)
register_tower(small_text.NAME, small_text.build, small_text.SmallTextOptions)
register_tower(speech.NAME, speech.build, speech.SpeechOptions)
register_tower(video.NAME, video.build, video.VideoOptions)

__all__ = [
    "ConvNorm",
    "GridPool",
    "Projection",
    "StepPool",
    "TemporalHead",
    "Tower",
    "TowerOptions",
    "VideoTower",
    "build_tower",
    "dimension",
    "fold_batchnorm",
    "image_side",
    "parse_options",
    "projection",
    "register_tower",
    "tower_names",
]
