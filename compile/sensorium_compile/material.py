"""What is compiled: a student with its record and ranges, from a shipped checkpoint or trained here."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from sensorium.samples import Array
from sensorium_compile import checkpoint
from sensorium_compile.checkpoint import AUGMENTED, CALIBRATION, RECORD, WEIGHTS, Record, load_weights
from sensorium_compile.data.examples import NONE
from sensorium_compile.data.load import Data, load_data
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable, Feeds
from sensorium_compile.model import MultimodalModel, check_model
from sensorium_compile.model.build import build_model, example_samples, graphs_of, head_sizes
from sensorium_compile.recipe import ModelRecipe, Progress
from sensorium_compile.stages import Stages, folder_digest
from sensorium_compile.train.loop import Run
from sensorium_compile.train.run import sampler, train_rounded, train_student, train_teacher
from sensorium_compile.zoo import Weights

TEACHER = "teacher.safetensors"
CALIBRATION_BATCHES, CALIBRATION_BATCH = 4, 32  # augmented as in training: ranges must hold for bad samples too


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The student and all that is known of it."""

    recipe: ModelRecipe
    student: MultimodalModel
    folder: Path  # of its checkpoint
    record: Record | None  # None: just trained, nothing measured yet
    teacher: Path | None  # its weights, where it was trained here
    data: Data | None
    calibration: Calibration

    def exportables(self) -> dict[str, Exportable]:
        """The student's graphs by name, the fusion last."""
        return exportables(self.student, self.recipe)


def exportables(model: MultimodalModel, recipe: ModelRecipe) -> dict[str, Exportable]:
    """A model's graphs by name, the fusion last."""
    made = graphs_of(model, example_samples(recipe))
    return {
        name: Exportable(name, module, inputs, outputs, recipe.batch)
        for name, (module, inputs, outputs) in made.items()
    }


def find_material(
    recipe: ModelRecipe,
    data: Path | None,
    given: Path | None,
    *,
    retrain: bool,
    weights: Weights,
    stages: Stages,
    progress: Progress,
) -> Material:
    """The checkpoint that was given or ships with the recipe's name; trained here where there is none, or on demand."""
    folder, teacher = given or checkpoint.shipped(recipe.name, recipe.plugins), None
    trains = folder is None or retrain
    loaded = load_data(recipe, data, progress, extra=trains) if data is not None else None
    if folder is None or trains:
        if data is None or loaded is None:
            raise CompileError(
                f"recipe {recipe.name} has no checkpoint here (ours come with the repository; --checkpoint DIR names "
                f"another), so it is trained, which needs data: give --data DIR "
                f"({', '.join(plan.path or plan.reader for plan in recipe.modalities.values())} in it)"
            )
        teacher, folder = _train(recipe, loaded, data, weights, stages, progress)
    elif (folder / TEACHER).is_file():
        teacher = folder / TEACHER
    student = build_model(recipe, recipe.student, None)
    load_weights(student, folder / WEIGHTS)  # fits layers to what it loads, so the head is looked at again
    check_model(student, example_samples(recipe), head_sizes(recipe))
    record = checkpoint.read_record(folder) if (folder / RECORD).is_file() else None
    return Material(recipe, student, folder, record, teacher, loaded, _calibration(recipe, student, folder, loaded))


def _train(
    recipe: ModelRecipe, loaded: Data, data: Path, weights: Weights, stages: Stages, progress: Progress
) -> tuple[Path, Path]:
    """Teach, then distil; each is a stage of its own. Returns the teacher's weights and the student's folder."""
    common: dict[str, JsonValue] = {
        "data": folder_digest([data]),
        "recipe": recipe.model_dump(mode="json", include={"modalities", "head", "pairing", "split", "augment"}),
    }

    def teach_into(folder: Path) -> None:
        train_teacher(recipe, loaded, weights, Run("teacher", folder, progress=progress))

    taught = stages.run("teach", common | {"plan": recipe.teacher.model_dump(mode="json")}, teach_into)

    def distil_into(folder: Path) -> None:
        teacher = build_model(recipe, recipe.teacher, None)
        load_weights(teacher, taught / TEACHER)
        train_student(recipe, loaded, weights, teacher, Run("student", folder, progress=progress))

    plans = recipe.model_dump(mode="json", include={"student", "distil", "prune", "finish", "practice", "teacher"})
    plans["variants"] = {n: v.model_dump(mode="json") for n, v in recipe.variants.items() if v.steps}
    return taught / TEACHER, stages.run("distil", common | plans, distil_into)


def rounded_material(material: Material, stages: Stages, progress: Progress) -> Material:
    """The student learned again with its layers rounded to 8 bits; needs data and the teacher."""
    recipe, data, taught = material.recipe, material.data, material.teacher
    assert data is not None
    assert taught is not None

    def distil_into(folder: Path) -> None:
        teacher = build_model(recipe, recipe.teacher, None)
        load_weights(teacher, taught)
        student = build_model(recipe, recipe.student, None)
        load_weights(student, material.folder / WEIGHTS)
        train_rounded(recipe, data, teacher, student, Run("student", folder, progress=progress))
        variants = [path.name for path in material.folder.glob(checkpoint.variant_file("*"))]
        for name in (AUGMENTED, TEACHER, *variants):
            if (material.folder / name).is_file():
                shutil.copy2(material.folder / name, folder)

    given: dict[str, JsonValue] = {
        "student": checkpoint.digest(material.folder),
        "plan": recipe.model_dump(mode="json", include={"student", "distil", "qat", "augment"}),
    }
    folder = stages.run("distil-int8", given, distil_into)
    student = build_model(recipe, recipe.student, None)  # as it is read from a checkpoint
    load_weights(student, folder / WEIGHTS)
    calibration = Calibration(calibration_feeds(recipe, student, data))
    return replace(material, student=student.eval(), folder=folder, record=None, calibration=calibration)


def _calibration(recipe: ModelRecipe, student: MultimodalModel, folder: Path, data: Data | None) -> Calibration:
    """Ranges that travel with the checkpoint; others from the training side, every subset of senses among them."""
    drawn = partial(calibration_feeds, recipe, student, data) if data is not None else None
    recorded = folder / CALIBRATION
    if recorded.is_file():
        return Calibration.from_json(recorded.read_text(encoding="utf-8"), drawn)
    return Calibration(drawn)


def calibration_feeds(recipe: ModelRecipe, student: MultimodalModel, data: Data) -> dict[str, list[Feeds]]:
    """Feeds of every graph; the fusion's have each sense missing in turn, for its ranges change with a silent tower."""
    draw = sampler(recipe, data, recipe.student.training)
    feeds: dict[str, list[Feeds]] = {name: [] for name in (*student.modalities, "fusion")}
    rng = np.random.default_rng(recipe.student.training.seed)
    size = min(CALIBRATION_BATCH, max(1, int((data.train.labels != NONE).sum())))
    for _ in range(CALIBRATION_BATCHES if len(data.train) >= CALIBRATION_BATCH else 1):
        batch = draw(rng, size)
        with torch.no_grad():
            tokens = student.tokens(batch.samples)
        for row in range(size):
            for name, samples in batch.samples.items():
                feeds[name].append({"sample": samples[row : row + 1].numpy()})
            mask = rng.integers(1, 2 ** len(student.modalities))
            presence = np.array([[mask >> i & 1 for i in range(len(student.modalities))]], np.float32)
            own: dict[str, Array] = {name: made[row : row + 1].numpy() for name, made in tokens.items()}
            feeds["fusion"].append({**own, "presence": presence})
    return feeds


def seeds(recipe: ModelRecipe) -> Mapping[str, int]:
    """Every seed of the recipe, for the report."""
    return {
        "split": recipe.split.seed,
        "teacher": recipe.teacher.training.seed,
        "student": recipe.student.training.seed,
    }
