"""Pairs of samples that mean the same: by label, drawn anew each epoch, or by group; bad matches are dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium.samples import Array
from sensorium_compile.data.examples import NONE, Examples, IntArray, Pool
from sensorium_compile.errors import CompileError

Floats = NDArray[np.floating]


def pair_by_label(pools: Mapping[str, Pool], seed: int, epoch: int = 0, count: int | None = None) -> Examples:
    """Examples with one sample of every pool, all of one label; another draw each epoch.

    Within a label, every sample of the largest pool is there once and the others are repeated as seldom as can be.
    ``count`` repeats (or cuts) the whole to that many examples. Labels that a pool lacks are left out;
    raises CompileError where no label is left. Give pools of ONE part of a split.
    """
    rng = np.random.default_rng((seed, epoch))
    shared = sorted(set.intersection(*(set(pool.labels.tolist()) for pool in pools.values())) - {NONE})
    if not shared:
        raise CompileError(f"no label is in all of {', '.join(pools)}: nothing can be paired")
    index: dict[str, list[IntArray]] = {name: [] for name in pools}
    labels: list[IntArray] = []
    for label in shared:
        rows = {name: np.flatnonzero(pool.labels == label) for name, pool in pools.items()}
        most = max(len(r) for r in rows.values())
        for name, found in rows.items():
            index[name].append(_dealt(found, most, rng))
        labels.append(np.full(most, label, np.int64))
    joined = {name: np.concatenate(parts) for name, parts in index.items()}
    every = np.concatenate(labels)
    order = _dealt(np.arange(len(every)), count or len(every), rng)
    return Examples(dict(pools), {name: rows[order] for name, rows in joined.items()}, every[order])


def pair_by_group(asked: str, pools: Mapping[str, Pool]) -> Examples:
    """An example for each sample of the pool ``asked`` (a question), with the first sample of the same group
    (its picture) of every other pool; -1 where a pool has none. Labels are those of ``asked``."""
    if asked not in pools:
        raise CompileError(f"no pool {asked!r}; known: {', '.join(pools)}")
    index: dict[str, IntArray] = {}
    for name, pool in pools.items():
        if name == asked:
            index[name] = np.arange(len(pool), dtype=np.int64)
            continue
        first = {group: row for row, group in reversed(list(enumerate(pool.groups)))}
        index[name] = np.array([first.get(group, NONE) for group in pools[asked].groups], np.int64)
    return Examples(dict(pools), index, pools[asked].labels)


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """Which pairs were kept by their similarity, and the limit that decided."""

    kept: IntArray  # rows, in their order
    dropped: int
    limit: float  # the least cosine that was kept


def filter_pairs(
    first: Floats, second: Floats, *, keep: float | None = None, threshold: float | None = None
) -> Filtered:
    """Keep the pairs of rows whose embeddings (n, d) are most alike by cosine.

    Either ``keep``, the share that stays (0.9: the worst tenth goes), or ``threshold``, the least cosine. A zero vector
    is like nothing (cosine 0). The idea is CLIP filtering as in LAION (https://arxiv.org/abs/2111.02114, section 3).
    """
    if first.shape != second.shape:
        raise CompileError(
            f"pairs have as many vectors of one length on both sides; given {first.shape}, {second.shape}"
        )
    if (keep is None) == (threshold is None):
        raise CompileError("filter pairs by keep (a share) or by threshold (a cosine): give one of them")
    if keep is not None and not 0 < keep <= 1:
        raise CompileError(f"keep is a share above 0 and up to 1; given {keep}")
    similar = np.sum(_unit(first) * _unit(second), axis=1)  # (n,)
    limit = threshold
    if limit is None:
        limit = float(np.quantile(similar, 1 - keep, method="higher")) if keep and len(similar) else -1.0
    kept = np.flatnonzero(similar >= limit).astype(np.int64)
    return Filtered(kept, len(similar) - len(kept), float(limit))


def shuffled_rows(count: int, seed: int, epoch: int) -> IntArray:
    """All rows in the order of that epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count).astype(np.int64)


def _dealt(rows: Sequence[int] | Array, count: int, rng: np.random.Generator) -> IntArray:
    """``count`` of the rows in random order; each comes again only after all others came."""
    rounds = [rng.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate(rounds)[:count].astype(np.int64)


def _unit(vectors: Floats) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
