"""Augmentation of training batches: seeded, counted, on tensors.

    config = load_augment("image", table)     # the recipe's [augment.MODALITY], checked
    changed = augment(batch, config, dice, "vision")

What the hard protocol (``sensorium_compile.data.protocol``) measures with is made in other ways than these.
"""

from collections.abc import Mapping
from typing import TypeAlias

from pydantic import ValidationError
from torch import Tensor

from sensorium.errors import first_fault
from sensorium_compile.data.augment.config import ImageAugment, ReadingsAugment, SoundAugment, TextAugment
from sensorium_compile.data.augment.dice import Dice
from sensorium_compile.data.augment.images import augment_images
from sensorium_compile.data.augment.others import augment_readings, augment_text
from sensorium_compile.data.augment.sounds import augment_sounds
from sensorium_compile.errors import CompileError, keys_of

__all__ = [
    "BERT_IDS",
    "AugmentConfig",
    "Dice",
    "ImageAugment",
    "ReadingsAugment",
    "SoundAugment",
    "TextAugment",
    "augment",
    "load_augment",
]

AugmentConfig: TypeAlias = ImageAugment | SoundAugment | TextAugment | ReadingsAugment

_MODELS: Mapping[str, type[AugmentConfig]] = {
    "image": ImageAugment,
    "sound": SoundAugment,
    "text": TextAugment,
    "readings": ReadingsAugment,
}
BERT_IDS: Mapping[str, int] = {"[UNK]": 100}  # in BERT's own vocabulary


def load_augment(kind: str, table: Mapping[str, object]) -> AugmentConfig:
    """The recipe's table ``[augment.MODALITY]`` for a modality of that kind; raises CompileError naming the key."""
    try:
        return _MODELS[kind].model_validate(dict(table))
    except ValidationError as err:
        raise CompileError(f"augment: {first_fault(err, kind, keys_of(_MODELS[kind]))}") from err


def augment(
    batch: Tensor,
    config: AugmentConfig,
    dice: Dice,
    name: str,
    *,
    noises: Tensor | None = None,
    ids: Mapping[str, int] = BERT_IDS,
) -> Tensor:
    """A changed copy of a batch as its encoder takes it; counted in ``dice.applied`` under ``NAME.STEP``.

    ``noises`` (clips, samples) are mixed into sound; ``ids`` are the vocabulary's, for text.
    """
    if isinstance(config, ImageAugment):
        return augment_images(batch, config, dice, name)
    if isinstance(config, SoundAugment):
        return augment_sounds(batch, config, dice, name, noises)
    if isinstance(config, TextAugment):
        return augment_text(batch, config, dice, name, ids=ids)
    return augment_readings(batch, config, dice, name)
