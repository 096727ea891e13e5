"""A recipe's trainings: the teacher from labels, the student from the teacher."""

from collections.abc import Mapping
from dataclasses import replace

from sensorium.inputs import InputSpec
from sensorium_compile.checkpoint import save_weights
from sensorium_compile.data.load import Data
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import build_model
from sensorium_compile.recipe import ModelRecipe
from sensorium_compile.train.loop import Run
from sensorium_compile.train.options import TrainingOptions
from sensorium_compile.train.prune import prune
from sensorium_compile.train.sampler import Sampler, augmenters
from sensorium_compile.train.teach import distil, teach
from sensorium_compile.zoo import Weights


def train_teacher(recipe: ModelRecipe, data: Data, weights: Weights, run: Run) -> MultimodalModel:
    """The teacher, from the zoo's weights and the labels; also written to the run's folder."""
    teacher = build_model(recipe, recipe.teacher, weights)
    draw = sampler(recipe, data, recipe.teacher.training)
    teach(teacher, recipe.head.name, draw, recipe.teacher.training, replace(run, name="teacher"))
    if run.here.first:
        save_weights(teacher, run.folder / "teacher.safetensors")
    return teacher


def train_student(
    recipe: ModelRecipe, data: Data, weights: Weights, teacher: MultimodalModel, run: Run
) -> MultimodalModel:
    """The student, distilled from the teacher, pruned where the recipe says so, and distilled again."""
    student = build_model(recipe, recipe.student, weights)
    options = recipe.student.training
    draw = sampler(recipe, data, options)
    distil(student, teacher, recipe.head.name, draw, options, recipe.distil, replace(run, name="student"))
    if recipe.prune.ratio:
        prune(student, recipe)
        again = options.model_copy(update={"steps": recipe.prune.steps, "seed": options.seed + 1})
        distil(student, teacher, recipe.head.name, draw, again, recipe.distil, replace(run, name="pruned student"))
    if run.here.first:
        save_weights(student, run.folder / "student.safetensors")
    return student


def sampler(recipe: ModelRecipe, data: Data, options: TrainingOptions) -> Sampler:
    """What draws the batches of a training."""
    inputs: Mapping[str, InputSpec] = {name: plan.input for name, plan in recipe.modalities.items()}
    return Sampler(data.train, inputs, augmenters(recipe), recipe.pairing == "label", options.clean)
