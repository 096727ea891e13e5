"""From a recipe's plan to a model, and to the graphs that are lowered."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sensorium.inputs import InputSpec
from sensorium_compile.errors import CompileError
from sensorium_compile.model.contract import FusionGraph, MultimodalModel, check_model
from sensorium_compile.model.fusions import build_fusion
from sensorium_compile.model.heads import TEXT_DIMS, ClassHead, TextHead
from sensorium_compile.recipe import ModelPlan, ModelRecipe
from sensorium_compile.towers import build_tower
from sensorium_compile.zoo import Weights


def build_model(recipe: ModelRecipe, plan: ModelPlan, weights: Weights | None, seed: int = 0) -> MultimodalModel:
    """A model as planned, with the zoo's weights in its towers where ``weights`` are given.

    Raises CompileError: a tower or an option that does not exist, weights that were not pulled, a broken contract.
    """
    torch.manual_seed(seed)
    encoders = {name: _tower(name, recipe.modalities[name].input, plan, weights) for name in recipe.modalities}
    counts = {name: int(tower.count) for name, tower in encoders.items()}  # type: ignore[arg-type]
    options = plan.fusion.model_dump(exclude={"kind"})
    fusion = build_fusion(plan.fusion.kind, counts, plan.width, options)
    model = MultimodalModel(encoders, fusion, {recipe.head.name: _head(recipe, plan, weights)})
    model.eval()
    check_model(model, example_samples(recipe), head_sizes(recipe))
    return model


def head_sizes(recipe: ModelRecipe) -> dict[str, int]:
    """How many values each head gives."""
    return {recipe.head.name: TEXT_DIMS if recipe.head.kind == "text" else len(recipe.head.labels)}


def _head(recipe: ModelRecipe, plan: ModelPlan, weights: Weights | None) -> nn.Module:
    labels = recipe.head.labels
    if recipe.head.kind == "classes":
        return ClassHead(plan.width, len(labels))
    space = torch.zeros(len(labels), TEXT_DIMS)  # until a checkpoint is loaded
    if weights is not None:
        from sensorium_compile.scene.texts import TextSpace

        space = torch.from_numpy(TextSpace(weights)(labels))
    return TextHead(plan.width, space)


def _tower(name: str, spec: InputSpec, plan: ModelPlan, weights: Weights | None) -> nn.Module:
    table = dict(plan.towers[name])
    kind = table.pop("name", None)
    if not isinstance(kind, str):
        raise CompileError(f'towers.{name} names no tower: add name = "convnet" or another')
    tower = build_tower(kind, spec, {"width": plan.width, **table}, weights)
    if weights is not None:
        for part in getattr(tower, "PRETRAINED", ()):
            getattr(tower, part).pretrained = True  # the loop trains it more slowly
    return tower


def example_samples(recipe: ModelRecipe) -> dict[str, Tensor]:
    """One made-up sample (1, ...) of every modality; the same on every machine."""
    return {name: _example(plan.input) for name, plan in recipe.modalities.items()}


def _example(spec: InputSpec) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = tuple(spec.shape)
    if spec.kind == "image":
        return torch.rand(shape, generator=generator) * 255
    if spec.kind == "text":
        return torch.randint(1, 20, shape, generator=generator)
    return torch.randn(shape, generator=generator) * (0.1 if spec.kind == "sound" else 1.0)


def graphs_of(
    model: MultimodalModel, samples: Mapping[str, Tensor]
) -> dict[str, tuple[nn.Module, dict[str, Tensor], tuple[str, ...]]]:
    """The graphs of a model by name: its module, its example inputs and its outputs' names. The fusion comes last."""
    made: dict[str, tuple[nn.Module, dict[str, Tensor], tuple[str, ...]]] = {}
    with torch.no_grad():
        tokens = model.tokens(samples)
    for name, encoder in model.encoders.items():
        made[name] = (encoder, {"sample": samples[name]}, ("tokens",))
    presence = torch.ones(1, len(model.modalities))
    made["fusion"] = (FusionGraph(model).eval(), {**tokens, "presence": presence}, tuple(model.heads))
    return made
