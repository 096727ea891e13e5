"""Losses over every subset of modalities at once.

Encoders run once a batch; the fusion, which is small, runs for every subset, so that none is left to chance as random
modality dropout would (ModDrop, arXiv 1501.00102).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sensorium_compile.data.examples import subsets
from sensorium_compile.model import MultimodalModel, TextHead
from sensorium_compile.train.options import DistilOptions


def masks(modalities: Sequence[str]) -> Tensor:
    """(subsets, modalities) of 0 and 1: every subset but the empty one."""
    return torch.tensor(list(subsets(modalities).values()), dtype=torch.float32)


@dataclass(frozen=True, slots=True)
class Fused:
    """State and logits of every subset: (subsets, batch, n), and which of them count: (subsets, batch)."""

    state: Tensor
    output: Tensor
    counts: Tensor


def fuse_subsets(model: MultimodalModel, tokens: Mapping[str, Tensor], there: Tensor, head: str) -> Fused:
    """Fuse tokens for every subset of what is ``there`` (batch, modalities)."""
    chosen = masks(model.modalities)  # (s, m)
    presence = chosen[:, None, :] * there[None]  # (s, b, m)
    count, batch = presence.shape[:2]
    repeated = {name: own.repeat(count, 1, 1) for name, own in tokens.items()}
    state = model.state(repeated, presence.reshape(count * batch, -1))
    last = model.heads[head]
    output = last.logits(last(state)) if isinstance(last, TextHead) else last(state)
    # A subset that names a sense which this example lacks is the same as a smaller one.
    whole = (presence.sum(-1) == chosen.sum(-1)[:, None]).float()
    return Fused(state.view(count, batch, -1), output.view(count, batch, -1), whole)


def label_loss(fused: Fused, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy (scalar), each subset alike."""
    count, batch, classes = fused.output.shape
    each = functional.cross_entropy(
        fused.output.reshape(-1, classes), labels.repeat(count), label_smoothing=smoothing, reduction="none"
    )
    return _mean(each.view(count, batch), fused.counts)


def distil_loss(
    student: Fused, teacher: Fused, project: nn.Module, labels: Tensor, options: DistilOptions, smoothing: float
) -> Tensor:
    """Features, logits and labels (scalar); ``project`` takes the student's state to the teacher's width."""
    loss = student.output.new_zeros(())
    if options.features:
        wanted = functional.layer_norm(teacher.state, teacher.state.shape[-1:])
        given = functional.layer_norm(project(student.state), teacher.state.shape[-1:])
        loss = loss + options.features * _mean((given - wanted).square().mean(-1), student.counts)
    if options.logits:
        t = options.temperature
        wanted = (teacher.output / t).log_softmax(-1)
        given = (student.output / t).log_softmax(-1)
        apart = (wanted.exp() * (wanted - given)).sum(-1) * t * t
        loss = loss + options.logits * _mean(apart, student.counts)
    if options.labels:
        loss = loss + options.labels * label_loss(student, labels, smoothing)
    return loss


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
