"""What the fits gave, as data beside this file: the constants of evidence fusion, the sound encoder and its head."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sensorium.components.sound import SoundConfig
from sensorium.evidence import FusionConfig

EVIDENCE_FILE = Path(__file__).with_name("evidence.json")
SOUND_FILE = Path(__file__).with_name("sound.json")
SOUND_ENCODER_FILE = Path(__file__).with_name("sound_encoder.onnx")
SOUND_HEAD_FILE = Path(__file__).with_name("sound_head.npz")


class FittedSound(BaseModel):
    """What ``sound.json`` holds beside the head."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: SoundConfig
    recipe: dict[str, float]
    data: tuple[str, ...]  # what it was fitted on, with licences and credits
    figures: dict[str, float]  # measured on clips that the measured head had not seen


def fusion_config() -> FusionConfig:
    """Constants of evidence fusion."""
    return FusionConfig.model_validate(json.loads(EVIDENCE_FILE.read_text("utf-8")))


def fitted_sound() -> FittedSound:
    """How the sound head was fitted and what it reaches."""
    return FittedSound.model_validate(json.loads(SOUND_FILE.read_text("utf-8")))


def sound_labels() -> tuple[str, ...]:
    """The phrases that the sound tagger may say."""
    return fitted_sound().config.labels
