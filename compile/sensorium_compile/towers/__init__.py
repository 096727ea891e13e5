"""Towers: the networks that turn a sample of each modality into tokens for the fusion."""

from sensorium_compile.towers import efficientnet, speech
from sensorium_compile.towers.base import Projection, Tower, TowerOptions, projection
from sensorium_compile.towers.layers import ConvNorm, GridPool, StepPool, fold_batchnorm
from sensorium_compile.towers.registry import build_tower, dimension, parse_options, register_tower, tower_names

register_tower(efficientnet.NAME, efficientnet.build, efficientnet.EfficientNetOptions)
register_tower(speech.NAME, speech.build, speech.SpeechOptions)

__all__ = [
    "ConvNorm",
    "GridPool",
    "Projection",
    "StepPool",
    "Tower",
    "TowerOptions",
    "build_tower",
    "dimension",
    "fold_batchnorm",
    "parse_options",
    "projection",
    "register_tower",
    "tower_names",
]
