"""The ways to learn: from labels, from a teacher, and one sense alone."""

import copy

import torch
from torch import Tensor, nn

from sensorium_compile.model import MultimodalModel
from sensorium_compile.train.loop import Batch, Draw, Run, train
from sensorium_compile.train.losses import distil_loss, fuse_subsets, label_loss
from sensorium_compile.train.options import DistilOptions, TrainingOptions


def teach(model: MultimodalModel, head: str, draw: Draw, options: TrainingOptions, run: Run) -> dict[str, float]:
    """Train a model on labels, every subset of modalities in every step; returns the loss at the end."""

    def loss_of(learned: nn.ModuleDict, batch: Batch) -> Tensor:
        pupil = learned["model"]
        assert isinstance(pupil, MultimodalModel)
        fused = fuse_subsets(pupil, pupil.tokens(batch.samples), batch.presence, head)
        return label_loss(fused, batch.labels, options.label_smoothing)

    return train(nn.ModuleDict({"model": model}), draw, loss_of, options, run)


def distil(
    student: MultimodalModel,
    teacher: MultimodalModel,
    head: str,
    draw: Draw,
    options: TrainingOptions,
    weights: DistilOptions,
    run: Run,
) -> dict[str, float]:
    """Train the student to say what the teacher says of the same samples, in every subset of modalities."""
    teacher = copy.deepcopy(teacher).eval().requires_grad_(False)
    torch.manual_seed(options.seed)
    project = nn.Linear(student.fusion.width, teacher.fusion.width)  # type: ignore[arg-type]

    def loss_of(learned: nn.ModuleDict, batch: Batch) -> Tensor:
        pupil = learned["model"]
        assert isinstance(pupil, MultimodalModel)
        with torch.no_grad():
            wanted = fuse_subsets(teacher, teacher.tokens(batch.samples), batch.presence, head)
        given = fuse_subsets(pupil, pupil.tokens(batch.samples), batch.presence, head)
        return distil_loss(given, wanted, learned["project"], batch.labels, weights, options.label_smoothing)

    return train(nn.ModuleDict({"model": student, "project": project}), draw, loss_of, options, run)


def practise(
    model: MultimodalModel, modality: str, head: str, draw: Draw, options: TrainingOptions, run: Run
) -> dict[str, float]:
    """Train the encoder of one modality on labels, by what the fusion and the head, as they are, make of it alone."""
    others = [name for name in model.modalities if name != modality]
    frozen = (*(f"encoders.{name}" for name in others), "fusion", "heads")
    options = options.model_copy(update={"freeze": (*options.freeze, *frozen)})

    def loss_of(learned: nn.ModuleDict, batch: Batch) -> Tensor:
        pupil = learned["model"]
        assert isinstance(pupil, MultimodalModel)
        tokens = {modality: pupil.encoders[modality](batch.samples[modality])}
        for name in others:  # absent: that their tokens have the right shape is enough
            with torch.no_grad():
                tokens[name] = pupil.encoders[name](batch.samples[name][:1]).expand(len(batch.labels), -1, -1)
        fused = fuse_subsets(pupil, tokens, batch.presence, head)
        return label_loss(fused, batch.labels, options.label_smoothing)

    told = train(nn.ModuleDict({"model": model}), draw, loss_of, options, run)
    model.requires_grad_(True)
    return told
