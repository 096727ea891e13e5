"""Examples as a store of samples and an index into it, so that a pairing costs a row of numbers and no copy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.samples import Array
from sensorium_compile.errors import CompileError

IntArray: TypeAlias = NDArray[np.int64]

NONE = -1  # no sample of this modality, or no label


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """All samples of one modality.

    ``samples`` are as stored: uint8 (n, height, width, 3) pictures, float32 (n, samples) sound, int64 (n, tokens) text,
    float32 (n, window, channels) readings.
    """

    samples: Array
    labels: IntArray  # (n,) index of the class, -1 where there is none
    groups: tuple[str, ...]  # (n,) person, speaker, session, fold: what a split must not cut
    names: tuple[str, ...]  # (n,) the file that each came from

    def __post_init__(self) -> None:
        lengths = {len(self.samples), len(self.labels), len(self.groups), len(self.names)}
        if len(lengths) != 1:
            raise CompileError(f"a pool has one label, group and name a sample; given lengths {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, rows: Sequence[int] | IntArray) -> "Pool":
        """Only these rows, in this order."""
        chosen = np.asarray(rows, np.int64)
        return Pool(
            self.samples[chosen],
            self.labels[chosen],
            tuple(self.groups[i] for i in chosen),
            tuple(self.names[i] for i in chosen),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a model is taught or measured with: for each example a row of each pool (-1: that sense is missing)."""

    pools: Mapping[str, Pool]
    index: Mapping[str, IntArray]  # modality -> (n,)
    labels: IntArray  # (n,)

    def __post_init__(self) -> None:
        if set(self.pools) != set(self.index):
            raise CompileError(f"pools of {sorted(self.pools)} but an index for {sorted(self.index)}")
        for name, rows in self.index.items():
            if len(rows) != len(self.labels):
                raise CompileError(f"{name}: {len(rows)} rows for {len(self.labels)} examples")
            if len(rows) and (rows.max() >= len(self.pools[name]) or rows.min() < NONE):
                raise CompileError(f"{name}: a row outside its pool of {len(self.pools[name])}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def modalities(self) -> tuple[str, ...]:
        """In the order of the model."""
        return tuple(self.pools)

    def take(self, rows: Sequence[int] | IntArray) -> "Examples":
        """Only these examples; the pools stay."""
        chosen = np.asarray(rows, np.int64)
        return Examples(self.pools, {m: i[chosen] for m, i in self.index.items()}, self.labels[chosen])

    def batch(self, rows: IntArray) -> dict[str, Array]:
        """The stored samples of these examples by modality; zeros where one is missing."""
        made = {}
        for modality, pool in self.pools.items():
            chosen = self.index[modality][rows]
            samples = pool.samples[np.maximum(chosen, 0)]
            samples[chosen == NONE] = 0
            made[modality] = samples
        return made

    def presence(self, rows: IntArray) -> NDArray[np.float32]:
        """(rows, modalities) 1 where the sense is there."""
        return np.stack([self.index[m][rows] != NONE for m in self.modalities], axis=1).astype(np.float32)


def subsets(modalities: Sequence[str]) -> dict[str, tuple[bool, ...]]:
    """Every non-empty subset by name, single senses first: ``vision``, ``audio``, ``vision+audio``."""
    masks = [tuple(bool(mask >> i & 1) for i in range(len(modalities))) for mask in range(1, 2 ** len(modalities))]
    masks.sort(key=lambda mask: (sum(mask), [not there for there in mask]))
    return {"+".join(m for m, there in zip(modalities, mask, strict=True) if there): mask for mask in masks}
