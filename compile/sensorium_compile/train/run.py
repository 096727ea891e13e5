"""A recipe's trainings: the teacher from labels, the student from the teacher."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import JsonValue

from sensorium.inputs import InputSpec, to_batch
from sensorium_compile.checkpoint import AUGMENTED, WEIGHTS, round_weights, save_weights, variant_file
from sensorium_compile.data.examples import NONE, Examples
from sensorium_compile.data.load import Data
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import build_model
from sensorium_compile.recipe import ModelRecipe
from sensorium_compile.towers import Tower
from sensorium_compile.train.balance import Questions
from sensorium_compile.train.loop import Run
from sensorium_compile.train.match import matching
from sensorium_compile.train.options import TrainingOptions
from sensorium_compile.train.prune import prune
from sensorium_compile.train.rounded import rounded
from sensorium_compile.train.sampler import Sampler, augmenters
from sensorium_compile.train.teach import distil, practise, teach
from sensorium_compile.zoo import Weights

STATISTICS_SAMPLES = 4096  # more do not move a mean


def train_teacher(recipe: ModelRecipe, data: Data, weights: Weights, run: Run) -> MultimodalModel:
    """The teacher, from the zoo's weights and the labels; also written to the run's folder."""
    teacher = build_model(recipe, recipe.teacher, weights)
    fit_statistics(teacher, recipe, data)
    own = replace(run, name="teacher", counts=Counter())
    draw = sampler(recipe, data, recipe.teacher.training, own.counts)
    teach(teacher, recipe.head.name, draw, recipe.teacher.training, own)
    _save(teacher, run, "teacher.safetensors")
    return teacher


def train_student(
    recipe: ModelRecipe, data: Data, weights: Weights, teacher: MultimodalModel, run: Run
) -> MultimodalModel:
    """The student, distilled from the teacher and taken through the later stages; also written to the run's folder."""
    student = build_model(recipe, recipe.student, weights)
    fit_statistics(student, recipe, data)
    options = recipe.student.training
    own = replace(run, name="student", counts=Counter())
    if recipe.distil.keep < 1:
        data = matching(teacher, recipe, data, own.counts)
    draw = sampler(recipe, data, options, own.counts)
    in_8_bits = bool(recipe.qat.steps) and recipe.qat.when == "always"
    whole = run.folder / "distilled.pt"  # what a run that is stopped in a later distillation goes on with
    if whole.is_file():
        _take_up(student, own, whole)
    else:
        distil(student, teacher, recipe.head.name, draw, options, recipe.distil, own)
        later = (recipe.prune.ratio, recipe.finish.steps, recipe.practice, in_8_bits)
        if run.here.first and (any(later) or any(v.steps for v in recipe.variants.values())):
            run.folder.mkdir(parents=True, exist_ok=True)
            torch.save({"model": student.state_dict(), "counts": dict(own.counts)}, whole)
    _go_on(recipe, data, teacher, student, own)
    if in_8_bits:
        _distil_rounded(recipe, data, teacher, student, replace(own, name="student in 8 bits"))
    _save(student, run, WEIGHTS, small=True)
    train_variants(recipe, data, weights, teacher, student, run)
    if run.here.first:
        whole.unlink(missing_ok=True)
        (run.folder / AUGMENTED).write_text(json.dumps(own.counts, indent=1, sort_keys=True), encoding="utf-8")
    return student


def _go_on(recipe: ModelRecipe, data: Data, teacher: MultimodalModel, student: MultimodalModel, run: Run) -> None:
    """What a distilled student goes through: pruned, finished on cleaner samples, each sense practised alone."""
    options = recipe.student.training
    if recipe.prune.ratio:
        prune(student, recipe)
        draw = sampler(recipe, data, options, run.counts)
        again = options.model_copy(update={"steps": recipe.prune.steps, "seed": options.seed + 1})
        distil(student, teacher, recipe.head.name, draw, again, recipe.distil, replace(run, name="pruned student"))
    if recipe.finish.steps:
        changed = {**recipe.finish.model_dump(), "seed": options.seed + 3}
        last = options.model_copy(update=changed)
        draw = sampler(recipe, data, last, run.counts)
        distil(student, teacher, recipe.head.name, draw, last, recipe.distil, replace(run, name="finished student"))
    for name, plan in recipe.practice.items():
        changed = {**plan.model_dump(exclude={"augment"}), "seed": options.seed + 4, "balance": 0.0}
        last = options.model_copy(update=changed)
        draw = _alone(sampler(_with_augment(recipe, name, plan.augment), data, last, run.counts), name)
        practise(student, name, recipe.head.name, draw, last, replace(run, name=f"student, {name} alone"))


def train_rounded(
    recipe: ModelRecipe, data: Data, teacher: MultimodalModel, student: MultimodalModel, run: Run
) -> None:
    """The student distilled further with its layers rounded to 8 bits, in place; also written to the run's folder."""
    _distil_rounded(recipe, data, teacher, student, replace(run, name="student in 8 bits", counts=Counter()))
    _save(student, run, WEIGHTS, small=True)


def train_variants(
    recipe: ModelRecipe, data: Data, weights: Weights, teacher: MultimodalModel, student: MultimodalModel, run: Run
) -> None:
    """The variants with narrower towers, each from what fits of the student, written to the run's folder."""
    for name, variant in recipe.variants.items():
        if not variant.steps or (run.folder / variant_file(name)).is_file():
            continue
        plan = variant.student_of(recipe.student)
        model = build_model(recipe, plan, weights)
        inherit(model, student)
        own = replace(run, name=f"variant {name}", counts=Counter())
        draw = sampler(recipe, data, plan.training, own.counts)
        distil(model, teacher, recipe.head.name, draw, plan.training, recipe.distil, own)
        _save(model, run, variant_file(name), small=True)


def inherit(model: MultimodalModel, student: MultimodalModel) -> None:
    """Take over every weight and statistic of the student that has the same name and shape."""
    known = student.state_dict()
    fits = {n: known[n] for n, v in model.state_dict().items() if n in known and known[n].shape == v.shape}
    model.load_state_dict(fits, strict=False)


def _distil_rounded(
    recipe: ModelRecipe, data: Data, teacher: MultimodalModel, student: MultimodalModel, run: Run
) -> None:
    changed = {"steps": recipe.qat.steps, "learning_rate": recipe.qat.learning_rate}
    options = recipe.student.training.model_copy(update={**changed, "seed": recipe.student.training.seed + 2})
    with rounded(student):
        draw = sampler(recipe, data, options, run.counts)
        distil(student, teacher, recipe.head.name, draw, options, recipe.distil, run)


def _with_augment(recipe: ModelRecipe, modality: str, changes: Mapping[str, JsonValue]) -> ModelRecipe:
    table = {**recipe.augment.get(modality, {}), **changes}
    return recipe.model_copy(update={"augment": {**recipe.augment, modality: table}})


def _alone(draw: Sampler, modality: str) -> Sampler:
    """Only examples with that modality, and nothing else of them."""
    examples = draw.examples
    there = examples.take(np.flatnonzero(examples.index[modality] != NONE))
    index = {m: rows if m == modality else np.full_like(rows, NONE) for m, rows in there.index.items()}
    alone = Examples(there.pools, index, there.labels)
    return replace(draw, examples=alone, augment={m: a for m, a in draw.augment.items() if m == modality})


def _take_up(student: MultimodalModel, run: Run, path: Path) -> None:
    state = torch.load(path, weights_only=True)
    student.load_state_dict(state["model"])
    student.eval()
    run.counts.clear()
    run.counts.update(state["counts"])


def _save(model: MultimodalModel, run: Run, name: str, *, small: bool = False) -> None:
    """Write the weights; every process rounds its own to what was written, or their teachers would differ."""
    if run.here.first:
        save_weights(model, run.folder / name, small=small)
    else:
        round_weights(model, small=small)


def fit_statistics(model: MultimodalModel, recipe: ModelRecipe, data: Data) -> None:
    """Let towers that normalise by their data see some of the training side, the same ones each time."""
    for name, encoder in model.encoders.items():
        if not isinstance(encoder, Tower) or type(encoder).fit_statistics is Tower.fit_statistics:
            continue  # nothing in it to fit
        rows = data.train.index[name]
        rows = np.random.default_rng(0).permutation(rows[rows != NONE])[:STATISTICS_SAMPLES]
        samples = to_batch(data.train.pools[name].samples[rows], recipe.modalities[name].input)
        encoder.fit_statistics(torch.from_numpy(samples))


def sampler(recipe: ModelRecipe, data: Data, options: TrainingOptions, counts: Counter[str] | None = None) -> Sampler:
    """What draws the batches of a training; ``counts`` are told how many samples were changed, and how."""
    inputs: Mapping[str, InputSpec] = {name: plan.input for name, plan in recipe.modalities.items()}
    questions = Questions.of(data.train) if options.balance else None
    return Sampler(
        data.train,
        inputs,
        augmenters(recipe, data.noises, counts),
        recipe.pairing == "label",
        options.clean,
        options.balance,
        questions,
    )
