"""The scene model as it ships, and its teachers in the same shape: pictures and sounds -> a place in text space."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from sensorium.inputs import ImageInput, InputSpec, SoundInput
from sensorium.learned.config import EmbeddingHead, ModelConfig
from sensorium_compile.convert.state_dict import read_state_dict
from sensorium_compile.model import MultimodalModel
from sensorium_compile.parts.classifier import NAMES, imagenet_names
from sensorium_compile.scene.evaluate import SCALE
from sensorium_compile.scene.fusion import SpaceFusion, UnitHead
from sensorium_compile.scene.space import DIMS, SOUND_RIDGE, VISION_RIDGE, factorise, place_matrix
from sensorium_compile.scene.texts import TextSpace
from sensorium_compile.scene.towers import SoundPlan, SoundTower, VisionPlan, VisionTower
from sensorium_compile.scene.yamnet import SILENCE, YamNet, class_names, load_yamnet
from sensorium_compile.towers.efficientnet import load_pretrained
from sensorium_compile.zoo import Weights

HEAD = "place"
# What is told where nothing is looked for: things of a house and a street that are seen, heard, or both.
LABELS = (
    "a dog",
    "a cat",
    "a bird",
    "a rooster",
    "a baby crying",
    "a person speaking",
    "a clock",
    "a telephone",
    "a television",
    "a cup",
    "food",
    "a bottle",
    "a book",
    "a computer",
    "a chair",
    "a bed",
    "clothes",
    "flowers",
    "a car",
    "a train",
    "an airplane",
    "a helicopter",
    "a chainsaw",
    "a musical instrument",
    "rain",
    "fire",
    "the sea",
)


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """Both towers."""

    vision: VisionPlan
    sound: SoundPlan

    @property
    def inputs(self) -> dict[str, InputSpec]:
        """What the encoders take."""
        side = self.vision.side
        return {
            "vision": ImageInput(height=side, width=side),
            "audio": SoundInput(samples=self.sound.layout.samples, listen="always"),
        }


TEACHER = ScenePlan(VisionPlan("lite2", 260, None), SoundPlan())
# The vision tower is the pretrained one with its classifier factorised: narrowed, it cannot be taught the other 900
# things again with 2,800 photos of groceries, clothes and flowers. The sound tower has factors too, and is distilled.
STUDENT = ScenePlan(
    VisionPlan("lite0", 224, 192),
    SoundPlan((*(None,) * 6, *(64,) * 6, 104, 112), 112),
)


def build_scene(plan: ScenePlan) -> MultimodalModel:
    """The model with random weights."""
    encoders: dict[str, nn.Module] = {"vision": VisionTower(plan.vision), "audio": SoundTower(plan.sound)}
    return MultimodalModel(encoders, SpaceFusion({"vision": 1, "audio": 1}, DIMS), {HEAD: UnitHead()}).eval()


def example_samples(plan: ScenePlan) -> dict[str, Tensor]:
    """One made-up sample (1, ...) of each modality, the same on every machine."""
    generator = torch.Generator().manual_seed(0)
    vision, audio = (tuple(spec.shape) for spec in plan.inputs.values())
    return {
        "vision": torch.rand(vision, generator=generator) * 255,
        "audio": torch.randn(audio, generator=generator) * 0.1,
    }


def build_teacher(weights: Weights, yamnet: Path, classes: Path, space: TextSpace) -> MultimodalModel:
    """EfficientNet-Lite2 and YAMNet, whole; ``yamnet`` is its .tflite, ``classes`` its class map."""
    model = build_scene(TEACHER)
    load_vision(cast(VisionTower, model.encoders["vision"]), TEACHER.vision, weights, space)
    load_sound(cast(SoundTower, model.encoders["audio"]), load_yamnet(yamnet), classes, space)
    return model


def load_vision(tower: VisionTower, plan: VisionPlan, weights: Weights, space: TextSpace) -> None:
    """The pretrained classifier into a tower, factorised to the plan's rank, and the places of its names."""
    arrays = read_state_dict(weights.path(f"efficientnet-{plan.variant}"))
    state = {name: torch.from_numpy(values) for name, values in arrays.items()}
    load_pretrained(tower.backbone, state)
    with torch.no_grad():
        _load_classes(tower.classes, state)
    tower.places.load(place_matrix(space(imagenet_names(weights.path(NAMES).read_bytes())), VISION_RIDGE))


def load_sound(tower: SoundTower, net: YamNet, classes: Path, space: TextSpace) -> None:
    """A YAMNet of the tower's shape into it, and the places of its names."""
    tower.net.load_state_dict(net.state_dict())
    tower.places.load(place_matrix(space(class_names(classes)), SOUND_RIDGE), ignored=SILENCE)


def scene_config(
    plan: ScenePlan, labels: tuple[str, ...] = (), temperature: Mapping[str, float] | None = None
) -> ModelConfig:
    """What the runtime is told."""
    head = EmbeddingHead(dims=DIMS, scale=SCALE, centred=True, labels=labels)
    return ModelConfig(modalities=plan.inputs, heads={HEAD: head}, temperature=dict(temperature or {}))


def _load_classes(layer: nn.Module, state: Mapping[str, Tensor]) -> None:
    weight, bias = state["_fc.weight"], state["_fc.bias"]
    if isinstance(layer, nn.Linear):
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
        return
    first, second = cast(nn.Sequential, layer)
    # What a softmax does not see, the mean over classes, is not worth a rank.
    apart = weight - weight.mean(0)
    before, after = factorise(apart, _spread(state), cast(nn.Linear, second).in_features)
    cast(nn.Linear, first).weight.copy_(before)
    cast(nn.Linear, second).weight.copy_(after)
    # What the factors leave out is made good for the mean feature.
    missed = (apart - after @ before) @ _mean(state)
    cast(nn.Linear, second).bias.copy_(bias + missed)


def _mean(state: Mapping[str, Tensor]) -> Tensor:
    return _moments(state)[0]


def _spread(state: Mapping[str, Tensor]) -> Tensor:
    return _moments(state)[1]


def _moments(state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of ReLU6 of a Gaussian as the last normalisation makes it, (1280,): no data are needed."""
    quantiles = torch.linspace(0.5 / 512, 1 - 0.5 / 512, 512)
    normal = torch.special.ndtri(quantiles)
    values = (normal[:, None] * state["_bn1.weight"].abs() + state["_bn1.bias"]).clamp(0, 6)  # (512, 1280)
    return values.mean(0), values.std(0)
