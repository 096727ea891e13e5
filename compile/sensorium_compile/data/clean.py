"""What does not belong into a set: blank, silent, twice the same, nearly twice the same; each counted by name.

Unreadable files and files of unknown label are left out by the readers, which count them in the same ``Counts``.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sensorium_compile.data.examples import NONE, Pool
from sensorium_compile.data.fingerprints import alike, fingerprints
from sensorium_compile.data.told import Counts

BLANK_DEVIATION = 2.0  # of 255: a picture that is one colour but for compression
LOOKED_AT = 48  # pixels a side are enough to see that
SILENT_DBFS = -70.0  # below the noise of a quiet room through a common microphone (-65 to -55)


def clean(pool: Pool) -> tuple[Pool, Counts]:
    """The pool without what is blank or silent, and without all but the first of what is the same or nearly so.

    Counted as ``blank``, ``silent``, ``constant``, ``duplicate``, ``near duplicate``. Exactly the same samples with
    different labels all go, for one of them must be wrong, and nearly the same ones stay: both are counted as
    ``conflicting label``. Without labels, what is nearly the same stays and is not told: it may mean something else.
    """
    counts = Counts()
    gone = np.zeros(len(pool), bool)
    for row, kind in empty_rows(pool):
        counts.add(kind, pool.names[row])
        gone[row] = True
    for rows in _same(pool, gone):
        if len({int(pool.labels[row]) for row in rows}) > 1:
            _drop(rows, gone)
            counts.add("conflicting label", _together(pool, rows))
        else:
            _drop(rows[1:], gone)
            for row in rows[1:]:
                counts.add("duplicate", f"{pool.names[row]} = {pool.names[rows[0]]}")
    left = np.flatnonzero(~gone)
    for first, second in alike(fingerprints(pool.take(left))):
        one, other = int(left[first]), int(left[second])
        if gone[one] or gone[other] or pool.labels[one] == NONE:
            continue
        if pool.labels[one] != pool.labels[other]:
            counts.add("conflicting label", _together(pool, (one, other)) + " (nearly the same; kept)")
            continue
        gone[other] = True
        counts.add("near duplicate", f"{pool.names[other]} ~ {pool.names[one]}")
    return pool.take(np.flatnonzero(~gone)), counts


def leaks(train: Pool, test: Pool) -> Counts:
    """What of ``test`` is known from ``train``: the same group, the same sample, or nearly the same sample."""
    counts = Counts()
    for group in sorted(set(train.groups) & set(test.groups)):
        counts.add("group on both sides", group)
    known = {digest: train.names[row] for row, digest in reversed(list(enumerate(digests(train))))}
    for name, digest in zip(test.names, digests(test), strict=True):
        if digest in known:
            counts.add("same on both sides", f"{name} = {known[digest]}")
    exact = {entry.partition(" = ")[0] for entry in counts.found.get("same on both sides", ())}
    for first, second in alike(fingerprints(test), fingerprints(train)):
        if test.names[first] not in exact:
            counts.add("nearly the same on both sides", f"{test.names[first]} ~ {train.names[second]}")
    return counts


def empty_rows(pool: Pool) -> Iterator[tuple[int, str]]:
    """Rows that hold nothing, and what that is called: ``blank`` pictures, ``silent`` sound; text is never."""
    if pool.samples.ndim == 4:  # pictures, (n, height, width, 3)
        step = max(1, max(pool.samples.shape[1:3]) // LOOKED_AT)
        for row, image in enumerate(pool.samples[:, ::step, ::step]):
            if image.std(axis=(0, 1), dtype=np.float32).max() < BLANK_DEVIATION:
                yield row, "blank"
    elif pool.samples.ndim == 2 and pool.samples.dtype == np.float32:
        power = np.square(pool.samples.astype(np.float64)).mean(axis=1)
        silent = 10 * np.log10(power + 1e-12) < SILENT_DBFS
        yield from ((int(row), "silent") for row in np.flatnonzero(silent))
    elif pool.samples.ndim == 3:  # readings, (n, window, channels)
        constant = ~np.ptp(pool.samples, axis=1).any(axis=1)
        yield from ((int(row), "constant") for row in np.flatnonzero(constant))


def digests(pool: Pool) -> list[str]:
    """SHA-256 of each sample as it is stored: equal content, whatever the file format was."""
    return [hashlib.sha256(np.ascontiguousarray(sample).tobytes()).hexdigest() for sample in pool.samples]


def _same(pool: Pool, gone: NDArray[np.bool_]) -> list[list[int]]:
    """Rows of equal content, in order; text is often equal on purpose (one question on many pictures)."""
    if pool.samples.dtype == np.int64:
        return []
    rows_of: dict[str, list[int]] = {}
    for row, digest in enumerate(digests(pool)):
        if not gone[row]:
            rows_of.setdefault(digest, []).append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def _drop(rows: Sequence[int], gone: NDArray[np.bool_]) -> None:
    gone[list(rows)] = True


def _together(pool: Pool, rows: Sequence[int]) -> str:
    return " = ".join(pool.names[row] for row in rows)
