"""What a model answers for every subset of its senses, and how often it is right.

Encoders run once a sample, the fusion once a combination of samples: what an absent sense would have been does not
matter, so it is not run again. The pipeline measures its teachers, students and candidates by the same code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import unknown
from sensorium.inputs import InputSpec, to_batch
from sensorium.learned.config import ClassesHead, ModelConfig
from sensorium.samples import Array
from sensorium_compile.data.examples import NONE, Examples, IntArray, Pool, subsets
from sensorium_compile.errors import CompileError
from sensorium_compile.verify.gate import Scores, SubsetScores
from sensorium_compile.verify.opened import OpenedModel

STEP = 256  # samples prepared at once: 150 MB of 224x224 pictures

Progress: TypeAlias = Callable[[str, int, int], None]  # what runs, how many are done, how many there are


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a model gave where one subset of senses was present."""

    examples: IntArray  # (n,) those that have all of the subset's senses, ascending
    outputs: Mapping[str, Array]  # head -> (n, ...)
    distinct: NDArray[np.bool_]  # (n,) see SubsetScores


def predict(
    model: OpenedModel,
    examples: Examples,
    specs: Mapping[str, InputSpec],
    *,
    masks: Mapping[str, tuple[bool, ...]] | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, Answers]:
    """Answers for every subset of the senses that the examples have (or for ``masks``, in the model's order).

    A subset that no example has is left out. The examples may lack senses of the model, not have others.
    """
    for modality in examples.modalities:
        if modality not in model.encoders:
            raise CompileError(unknown("modality", modality, model.modalities))
    masks = subsets(model.modalities) if masks is None else masks
    rows = {m: _rows(examples.pools[m], examples.index[m], specs[m]) for m in examples.modalities}
    tokens = {m: _encode(model, m, examples.pools[m], specs[m], rows[m], progress) for m in examples.modalities}
    answers = {}
    for subset, mask in masks.items():
        present = [m for m, there in zip(model.modalities, mask, strict=True) if there]
        if all(m in rows for m in present):
            chosen = _chosen(examples, present)
            if len(chosen):
                own = {m: rows[m][chosen] for m in present}
                told = partial(progress, f"fusion, {subset}")
                answers[subset] = _answer(model, examples, mask, own, tokens, chosen, told)
    return answers


def score(
    answers: Mapping[str, Answers],
    examples: Examples,
    config: ModelConfig,
    *,
    head: str | None = None,
    space: NDArray[np.float32] | None = None,
) -> Scores:
    """Scores of one head (default: the first) against the examples' labels; examples without a label do not count.

    A head of embeddings needs ``space``, the unit vectors (labels, dims) of its labels' texts.
    """
    name = head or next(iter(config.heads))
    if name not in config.heads:
        raise CompileError(unknown("head", name, config.heads))
    told = config.heads[name]
    scores = {}
    for subset, given in answers.items():
        labels = examples.labels[given.examples]
        kept = labels != NONE
        if not kept.any():
            continue
        logits = given.outputs[name][kept]
        if not isinstance(told, ClassesHead):
            if space is None:
                raise CompileError(f"head {name} gives embeddings; it is scored against the vectors of its labels")
            logits = logits @ space.T * told.scale
        scores[subset] = SubsetScores.of_logits(
            logits,
            labels[kept],
            examples=given.examples[kept],
            temperature=config.temperature.get(subset, 1.0),
            distinct=given.distinct[kept],
        )
    return scores


def _rows(pool: Pool, index: IntArray, spec: InputSpec) -> IntArray:
    """Pool row of each example; equal texts share a row, for questions repeat by the thousand."""
    if spec.kind != "text" or not len(pool):
        return index
    _, first, inverse = np.unique(pool.samples, axis=0, return_index=True, return_inverse=True)
    same: IntArray = first[inverse.reshape(-1)].astype(np.int64)
    return np.where(index == NONE, NONE, same[np.maximum(index, 0)])


def _encode(
    model: OpenedModel, modality: str, pool: Pool, spec: InputSpec, rows: IntArray, progress: Progress
) -> tuple[IntArray, Array]:
    """The pool rows that are used, ascending, and their tokens (used, count, width)."""
    used = np.unique(rows[rows != NONE])
    parts = []
    for start in range(0, len(used), STEP):
        samples = to_batch(pool.samples[used[start : start + STEP]], spec)

        def told(done: int, start: int = start) -> None:
            progress(modality, min(start + done, len(used)), len(used))

        parts.append(model.encode(modality, samples, told))
    return used, np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _chosen(examples: Examples, present: list[str]) -> IntArray:
    """The examples that have all of these senses."""
    there = np.all([examples.index[m] != NONE for m in present], axis=0)
    return np.flatnonzero(there).astype(np.int64)


def _answer(
    model: OpenedModel,
    examples: Examples,
    mask: tuple[bool, ...],
    rows: Mapping[str, IntArray],
    tokens: Mapping[str, tuple[IntArray, Array]],
    chosen: IntArray,
    progress: Callable[[int, int], None],
) -> Answers:
    """Fuse each combination once and give it to every example that has it."""
    combined = np.stack(list(rows.values()), axis=1)  # (n, present)
    combinations, inverse = np.unique(combined, axis=0, return_inverse=True)
    fed = {}
    for modality, column in zip(rows, combinations.T, strict=True):
        used, made = tokens[modality]
        fed[modality] = made[np.searchsorted(used, column)]
    total = len(combinations)
    fused = model.fuse(fed, mask, lambda done: progress(min(done, total), total))
    outputs = {head: out[inverse.reshape(-1)] for head, out in fused.items()}
    labelled = np.column_stack([combined, examples.labels[chosen]])
    distinct = np.zeros(len(chosen), bool)
    distinct[np.unique(labelled, axis=0, return_index=True)[1]] = True
    return Answers(chosen, outputs, distinct)
