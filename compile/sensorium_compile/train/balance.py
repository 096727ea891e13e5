"""Questions whose answers are drawn alike: what a question makes likely must not stand in for what the picture shows.

The idea is VQA v2's (arXiv 1612.00837). Used for a share of each batch: a model that only ever saw such batches would
have to find an answer of which no sense tells any part, and does so late.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from sensorium_compile.data.examples import NONE, Examples, IntArray
from sensorium_compile.errors import CompileError


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """For each distinct text, the examples of each of its labels."""

    rows: tuple[tuple[IntArray, ...], ...]  # text -> label -> examples

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """Those of a set; raises CompileError where it has no text."""
        texts = [name for name, pool in examples.pools.items() if pool.samples.dtype == np.int64]
        if not texts:
            raise CompileError(
                "training.balance draws the answers to a question alike; the recipe has no text: leave it out"
            )
        index = examples.index[texts[0]]
        known = np.flatnonzero((index != NONE) & (examples.labels != NONE))
        _, which = np.unique(examples.pools[texts[0]].samples[index[known]], axis=0, return_inverse=True)
        order = np.lexsort((examples.labels[known], which.reshape(-1)))
        texts_rows = _runs(known[order], which.reshape(-1)[order])
        return cls(tuple(tuple(_runs(own, examples.labels[own])) for own in texts_rows))

    def draw(self, rng: np.random.Generator, count: int) -> IntArray:
        """Examples: a text as often as it is asked, then each of its labels alike."""
        asked = np.array([sum(map(len, labels)) for labels in self.rows], np.float64)
        made = []
        for text in rng.choice(len(self.rows), count, p=asked / asked.sum()):
            labels = self.rows[text]
            made.append(rng.choice(labels[rng.integers(len(labels))]))
        return np.array(made, np.int64)


def _runs(rows: IntArray, keys: IntArray) -> list[IntArray]:
    """The rows parted where the sorted keys change."""
    return np.split(rows, np.flatnonzero(np.diff(keys)) + 1)
