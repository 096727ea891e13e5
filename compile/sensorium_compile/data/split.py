"""Parting a pool so that no person, speaker, session or fold is on both sides."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from sensorium.errors import unknown
from sensorium_compile.data.examples import IntArray, Pool
from sensorium_compile.errors import CompileError


def split_fractions(groups: Sequence[str], fractions: Mapping[str, float], seed: int) -> dict[str, IntArray]:
    """Rows of each part, whole groups drawn at random until a part has its share of the rows.

    ``fractions`` sum to 1, e.g. ``{"train": 0.8, "check": 0.1, "test": 0.1}``. Every part gets at least one
    group; raises CompileError where there are fewer groups than parts. The same seed gives the same parts.
    """
    sizes = Counter(groups)
    if any(share <= 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-6:
        raise CompileError(f"split {dict(fractions)}: shares must be positive and sum to 1")
    if len(sizes) < len(fractions):
        raise CompileError(
            f"{len(sizes)} groups ({', '.join(sorted(sizes)[:8])}) cannot be split into {', '.join(fractions)} "
            "without cutting one; read more data or name fewer parts"
        )
    order = list(np.random.default_rng(seed).permutation(sorted(sizes)))
    chosen: dict[str, str] = {}
    wanted = {part: share * len(groups) for part, share in fractions.items()}
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        empty = [part for part in fractions if part not in chosen.values()]
        parts = empty if left <= len(empty) else list(fractions)
        part = max(parts, key=lambda p: wanted[p] / fractions[p])  # the part that lacks most, by its own measure
        chosen[str(group)] = part
        wanted[part] -= sizes[group]
    return _rows(groups, chosen, tuple(fractions))


def split_named(groups: Sequence[str], named: Mapping[str, Sequence[str]], rest: str) -> dict[str, IntArray]:
    """Rows of each part by the names of its groups; all groups that are not named go to ``rest``."""
    chosen: dict[str, str] = {}
    known = set(groups)
    for part, members in named.items():
        for group in members:
            if group not in known:
                raise CompileError(unknown("group", group, known))
            if chosen.setdefault(group, part) != part:
                raise CompileError(f"group {group} is in {chosen[group]} and in {part}; give it to one of them")
    for group in known:
        chosen.setdefault(group, rest)
    return _rows(groups, chosen, tuple(dict.fromkeys((rest, *named))))


def split_pool(pool: Pool, rows: Mapping[str, IntArray]) -> dict[str, Pool]:
    """The pool's parts."""
    return {part: pool.take(chosen) for part, chosen in rows.items()}


def _rows(groups: Sequence[str], chosen: Mapping[str, str], parts: Sequence[str]) -> dict[str, IntArray]:
    of = np.array([chosen[group] for group in groups])
    made = {part: np.flatnonzero(of == part).astype(np.int64) for part in parts}
    for part, rows in made.items():
        if not len(rows):
            raise CompileError(f"part {part} of the split is empty: every group is named for another part")
    return made
