"""Leaves out samples that do not match their label, before they teach the student.

A sample and its label are a pair. The teacher embeds both: the sample as the state that it alone gives, the label as
the mean state of all its samples. The pairs that are least alike go, as in CLIP filtering (arXiv 2111.02114).
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sensorium.inputs import InputSpec, to_batch
from sensorium_compile.data.examples import NONE, Examples, Pool
from sensorium_compile.data.load import Data
from sensorium_compile.data.pairs import filter_pairs
from sensorium_compile.model import MultimodalModel
from sensorium_compile.recipe import ModelRecipe

BATCH = 64
LEFT_OUT = "left out, unlike its label"


def matching(teacher: MultimodalModel, recipe: ModelRecipe, data: Data, counts: Counter[str]) -> Data:
    """The data with the share ``distil.keep`` of each modality's training samples; ``counts`` are told of the rest."""
    index = dict(data.train.index)
    for name, rows in index.items():
        used = np.flatnonzero((rows != NONE) & (data.train.labels != NONE))
        if not len(used):
            continue
        pool = data.train.pools[name]
        states = _states(teacher, name, pool.take(rows[used]), recipe.modalities[name].input)
        _, label = np.unique(data.train.labels[used], return_inverse=True)
        means = np.stack([states[label == one].mean(axis=0) for one in range(label.max() + 1)])
        kept = filter_pairs(states, means[label], keep=recipe.distil.keep)
        gone = np.delete(used, kept.kept)
        index[name] = rows.copy()
        index[name][gone] = NONE
        counts[f"{name}.{LEFT_OUT}"] += len(gone)
    there = np.flatnonzero(np.any([rows != NONE for rows in index.values()], axis=0))
    train = Examples(data.train.pools, index, data.train.labels).take(there)
    return replace(data, train=train)


def _states(teacher: MultimodalModel, name: str, pool: Pool, spec: InputSpec) -> NDArray[np.float32]:
    """What the teacher makes of each sample alone: unit vectors (n, width)."""
    made = []
    mask = torch.tensor([[float(m == name) for m in teacher.modalities]])
    for start in range(0, len(pool), BATCH):
        samples = torch.from_numpy(to_batch(pool.samples[start : start + BATCH], spec))
        with torch.no_grad():
            own = teacher.encoders[name](samples)
            tokens = {m: own if m == name else _nothing(teacher.encoders[m], len(own)) for m in teacher.modalities}
            state = teacher.state(tokens, mask.expand(len(own), -1))
            made.append(nn.functional.normalize(state, dim=-1).numpy())
    return np.concatenate(made)


def _nothing(encoder: nn.Module, count: int) -> torch.Tensor:
    """Tokens of an absent sense, which do not matter."""
    return torch.zeros(count, int(encoder.count), int(encoder.width))  # type: ignore[arg-type]
