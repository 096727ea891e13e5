"""A recipe's trainings: the teacher from labels, the student from the teacher."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from sensorium.inputs import InputSpec, to_batch
from sensorium_compile.checkpoint import round_weights, save_weights
from sensorium_compile.data.examples import NONE
from sensorium_compile.data.load import Data
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import build_model
from sensorium_compile.recipe import ModelRecipe
from sensorium_compile.towers import Tower
from sensorium_compile.train.balance import Questions
from sensorium_compile.train.loop import Run
from sensorium_compile.train.options import TrainingOptions
from sensorium_compile.train.prune import prune
from sensorium_compile.train.sampler import Sampler, augmenters
from sensorium_compile.train.teach import distil, teach
from sensorium_compile.zoo import Weights

STATISTICS_SAMPLES = 4096  # more do not move a mean


def train_teacher(recipe: ModelRecipe, data: Data, weights: Weights, run: Run) -> MultimodalModel:
    """The teacher, from the zoo's weights and the labels; also written to the run's folder."""
    teacher = build_model(recipe, recipe.teacher, weights)
    fit_statistics(teacher, recipe, data)
    draw = sampler(recipe, data, recipe.teacher.training)
    teach(teacher, recipe.head.name, draw, recipe.teacher.training, replace(run, name="teacher"))
    _save(teacher, run, "teacher.safetensors")
    return teacher


def train_student(
    recipe: ModelRecipe, data: Data, weights: Weights, teacher: MultimodalModel, run: Run
) -> MultimodalModel:
    """The student, distilled from the teacher, pruned where the recipe says so, and distilled again."""
    student = build_model(recipe, recipe.student, weights)
    fit_statistics(student, recipe, data)
    options = recipe.student.training
    draw = sampler(recipe, data, options)
    distil(student, teacher, recipe.head.name, draw, options, recipe.distil, replace(run, name="student"))
    if recipe.prune.ratio:
        prune(student, recipe)
        again = options.model_copy(update={"steps": recipe.prune.steps, "seed": options.seed + 1})
        distil(student, teacher, recipe.head.name, draw, again, recipe.distil, replace(run, name="pruned student"))
    _save(student, run, "student.safetensors")
    return student


def _save(model: MultimodalModel, run: Run, name: str) -> None:
    """Write the weights; every process rounds its own to what was written, or their teachers would differ."""
    if run.here.first:
        save_weights(model, run.folder / name)
    else:
        round_weights(model)


def fit_statistics(model: MultimodalModel, recipe: ModelRecipe, data: Data) -> None:
    """Let towers that normalise by their data see some of the training side, the same ones each time."""
    for name, encoder in model.encoders.items():
        if not isinstance(encoder, Tower) or type(encoder).fit_statistics is Tower.fit_statistics:
            continue  # nothing in it to fit
        rows = data.train.index[name]
        rows = np.random.default_rng(0).permutation(rows[rows != NONE])[:STATISTICS_SAMPLES]
        samples = to_batch(data.train.pools[name].samples[rows], recipe.modalities[name].input)
        encoder.fit_statistics(torch.from_numpy(samples))


def sampler(recipe: ModelRecipe, data: Data, options: TrainingOptions) -> Sampler:
    """What draws the batches of a training."""
    inputs: Mapping[str, InputSpec] = {name: plan.input for name, plan in recipe.modalities.items()}
    questions = Questions.of(data.train) if options.balance else None
    return Sampler(
        data.train,
        inputs,
        augmenters(recipe),
        recipe.pairing == "label",
        options.clean,
        options.balance,
        questions,
    )
