"""Fingerprints under which nearly the same pictures or sounds are nearly equal: to find what is there twice.

Pictures: averaged to 17 x 17, the steps to the right and down of each colour, compared by correlation: dHash with its
amplitudes kept (Krawetz 2013, https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html), for
photos of many hands before one wall have nearly the same signs. Sound: log power in 24 bands and 47 times, compared by
correlation. Neither sees through a mirror, a turn, or a crop of more than some percent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium_compile.data.examples import Pool

Floats = NDArray[np.float32]

# Between what other samples reach at most and what 98% of copies keep, measured: photos of signs of different persons
# reach 0.88, copies (cropped by 2%, recompressed, brightness +-15%) keep 0.92; two takes of a digit by one speaker
# reach 0.984, copies (moved by 5 ms, other gain, noise 30 dB below) keep 0.988.
PICTURE_ALIKE = 0.90
SOUND_ALIKE = 0.987

_SIDE = 17
_TIMES, _BANDS, _LOW_HZ, _RATE_HZ = 48, 24, 80.0, 16_000
_FLOOR = 1e-3  # of the loudest band: 30 dB of range, so that noise far below does not count
_CHUNK = 512  # rows compared at once


@dataclass(frozen=True, slots=True, eq=False)
class Prints:
    """Unit vectors (n, d), and the correlation from which two are taken for the same; empty for text and readings."""

    vectors: Floats
    alike: float


def fingerprints(pool: Pool) -> Prints:
    """Of every sample of a pool of pictures or sound. Text repeats itself on purpose, windows of readings overlap."""
    samples = pool.samples
    if samples.ndim == 4:
        return Prints(_unit(np.concatenate([_steps(samples[i : i + _CHUNK]) for i in _starts(samples)])), PICTURE_ALIKE)
    if samples.ndim == 2 and samples.dtype == np.float32:
        return Prints(_unit(np.concatenate([_bands(samples[i : i + _CHUNK]) for i in _starts(samples)])), SOUND_ALIKE)
    return Prints(np.zeros((0, 1), np.float32), 1.0)


def alike(prints: Prints, others: Prints | None = None) -> Iterator[tuple[int, int]]:
    """Pairs of rows that are nearly the same: within one set each pair once, the smaller row first; or across two."""
    right = prints.vectors if others is None else others.vectors
    for start in range(0, len(prints.vectors), _CHUNK):
        similar = prints.vectors[start : start + _CHUNK] @ right.T
        for row, column in zip(*np.nonzero(similar >= prints.alike), strict=True):
            if others is not None or start + row < column:
                yield start + int(row), int(column)


def _starts(samples: NDArray[np.generic]) -> range:
    return range(0, max(len(samples), 1), _CHUNK)


def _steps(images: NDArray[np.uint8]) -> Floats:
    """(n, height, width, 3) -> steps between neighbouring means (n, 2 * 16 * 17 * 3)."""
    _, height, width, _ = images.shape
    small = np.einsum("yh,nhwc,xw->nyxc", _means(height), images.astype(np.float32), _means(width), optimize=True)
    flat = [np.diff(small, axis=axis).reshape(len(images), -1) for axis in (1, 2)]
    return np.concatenate(flat, axis=1)


def _means(length: int) -> Floats:
    """Means over 17 equal parts of a side, parts of pixels counted in part: (17, length)."""
    edges = np.linspace(0, length, _SIDE + 1)
    places = np.arange(length)
    covered = np.minimum(places + 1, edges[1:, None]) - np.maximum(places, edges[:-1, None])
    weights = np.maximum(covered, 0)
    means: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return means


def _bands(sounds: Floats) -> Floats:
    """(n, samples) -> log power (n, times * bands)."""
    hop = max(sounds.shape[1] // _TIMES, 1)
    frames = np.lib.stride_tricks.sliding_window_view(sounds, 2 * hop, axis=1)[:, ::hop]  # (n, times, 2 * hop)
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(2 * hop).astype(np.float32))))
    hz = np.fft.rfftfreq(2 * hop, 1 / _RATE_HZ)
    edges = np.geomspace(_LOW_HZ, _RATE_HZ / 2, _BANDS + 1)
    inside = (hz >= edges[:-1, None]) & (hz < edges[1:, None])  # (bands, bins)
    bands = power @ inside[inside.any(axis=1)].T.astype(power.dtype)  # (n, times, bands)
    loudest = bands.max(axis=(1, 2), keepdims=True)
    log: Floats = np.log(bands + _FLOOR * loudest + 1e-12).reshape(len(sounds), -1).astype(np.float32)
    return log


def _unit(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    unit: Floats = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return unit
