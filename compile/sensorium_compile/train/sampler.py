"""Batches for training: drawn, paired anew, and augmented, from one random generator that is handed in."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from sensorium.inputs import InputSpec, to_batch
from sensorium.samples import Array
from sensorium_compile.data.augment import BERT_IDS, AugmentConfig, Dice, augment, load_augment
from sensorium_compile.data.examples import NONE, Examples, IntArray
from sensorium_compile.recipe import ModelRecipe
from sensorium_compile.train.balance import Questions
from sensorium_compile.train.loop import Batch

Augment: TypeAlias = Callable[[Tensor, np.random.Generator], Tensor]  # (n, ...) -> the same shape


@dataclass(frozen=True, slots=True)
class Sampler:
    """Draws batches. ``repair``: every label as often as any other, and each sample's partner drawn among all of its
    label; else examples as they are, and as often as they are."""

    examples: Examples
    inputs: Mapping[str, InputSpec]
    augment: Mapping[str, Augment]
    repair: bool
    clean: float = 0.0  # share of samples that are not augmented
    balance: float = 0.0  # share of a batch that is drawn from ``questions``
    questions: Questions | None = None

    def __call__(self, rng: np.random.Generator, size: int) -> Batch:
        """A batch; the same generator gives the same batch."""
        rows = self._rows(rng, size)
        chosen = _repaired(self.examples, rows, rng) if self.repair else self.examples.take(rows)
        everything = np.arange(size)
        samples = {m: self._augmented(m, s, rng) for m, s in chosen.batch(everything).items()}
        presence = torch.from_numpy(chosen.presence(everything))
        return Batch(samples, presence, torch.from_numpy(chosen.labels))

    def _rows(self, rng: np.random.Generator, size: int) -> IntArray:
        """Every label as often as any other, where there are labels and samples are paired by them."""
        if self.questions is not None:
            count = round(self.balance * size)
            rest = rng.integers(0, len(self.examples), size - count)
            return np.concatenate([rest, self.questions.draw(rng, count)])
        labels = self.examples.labels
        known = np.unique(labels[labels != NONE])
        if not self.repair or not len(known):
            return rng.integers(0, len(labels), size)
        wanted = rng.permutation(np.resize(rng.permutation(known), size))
        return np.array([rng.choice(np.flatnonzero(labels == label)) for label in wanted], np.int64)

    def _augmented(self, modality: str, samples: Array, rng: np.random.Generator) -> Tensor:
        tensor = torch.from_numpy(to_batch(samples, self.inputs[modality]))
        augment = self.augment.get(modality)
        if augment is None:
            return tensor
        changed = rng.random(len(tensor)) >= self.clean
        if changed.any():
            where = torch.from_numpy(np.flatnonzero(changed))
            tensor[where] = augment(tensor[where], rng)
        return tensor


def _repaired(examples: Examples, rows: IntArray, rng: np.random.Generator) -> Examples:
    """The examples of these rows, each with a partner drawn among all those of its label."""
    labels = examples.labels[rows]
    index = {}
    for modality, own in examples.index.items():
        by_label = {int(label): own[(examples.labels == label) & (own != NONE)] for label in np.unique(labels)}
        index[modality] = np.array(
            [rng.choice(by_label[int(label)]) if len(by_label[int(label)]) else NONE for label in labels], np.int64
        )
    return Examples(examples.pools, index, labels)


def augmenters(
    recipe: ModelRecipe, noises: Mapping[str, Array] | None = None, counts: Counter[str] | None = None
) -> dict[str, Augment]:
    """What the recipe does to each modality's samples; a modality without a table is left as it is.

    ``noises`` (clips, samples) are mixed into the sound of that modality; ``counts`` are told what was done.
    """
    vocabulary = recipe.vocabulary
    ids = BERT_IDS if vocabulary is None else {word: i for i, word in enumerate(vocabulary.split("\n"))}
    made: dict[str, Augment] = {}
    for name, table in recipe.augment.items():
        pool = (noises or {}).get(name)
        config = load_augment(recipe.modalities[name].input.kind, table)
        made[name] = _augmenter(name, config, ids, None if pool is None else torch.from_numpy(pool), counts)
    return made


def _augmenter(
    name: str, config: AugmentConfig, ids: Mapping[str, int], noises: Tensor | None, counts: Counter[str] | None
) -> Augment:
    def change(batch: Tensor, rng: np.random.Generator) -> Tensor:
        dice = Dice(int(rng.integers(2**31)))
        changed = augment(batch, config, dice, name, noises=noises, ids=ids)
        if counts is not None:
            counts.update(dice.applied)
        return changed

    return change
