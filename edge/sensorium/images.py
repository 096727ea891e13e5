"""Image geometry in plain numpy: antialiased resize, crop, letterbox. Images are uint8 (height, width, 3)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]  # x0, y0, x1, y1, relative to the image's width and height

CHUNK_BYTES = 1 << 18  # rows worked on at once: four such arrays fit a core's second-level cache of 1 MiB


@dataclass(frozen=True, slots=True)
class Placed:
    """An image that was fitted into a larger canvas, and the relative box of the canvas that it covers."""

    image: Image
    box: Box

    def to_source(self, box: Box) -> Box:
        """A box relative to the canvas, as one relative to the image that was fitted, cut at its edges."""
        left, top, right, bottom = self.box
        xs = [min(max((x - left) / (right - left), 0.0), 1.0) for x in box[::2]]
        ys = [min(max((y - top) / (bottom - top), 0.0), 1.0) for y in box[1::2]]
        return xs[0], ys[0], xs[1], ys[1]


def resize(image: Image, height: int, width: int) -> Image:
    """Bilinear, with a triangle filter as wide as the reduction, as Pillow's BILINEAR does.

    Differs from Pillow by at most two steps of 255 (it rounds after the rows, Pillow after the columns).
    """
    rows = _resample(image, height)  # (height, old width, 3)
    columns = _resample(np.ascontiguousarray(rows.swapaxes(0, 1)), width)  # (width, height, 3)
    return np.ascontiguousarray(columns.swapaxes(0, 1))


def centre_crop(image: Image, share: float) -> Image:
    """The middle square whose side is ``share`` of the shorter side; a view."""
    height, width = image.shape[:2]
    side = max(round(min(height, width) * share), 1)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def cut(image: Image, box: Box) -> Image:
    """The part of the image inside a relative box, at least one pixel; a view."""
    height, width = image.shape[:2]
    left, top = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
    right, bottom = max(round(box[2] * width), left + 1), max(round(box[3] * height), top + 1)
    return image[top:bottom, left:right]


def letterbox(image: Image, size: int, fill: int) -> Placed:
    """Fit the whole image into a square of ``size`` pixels, its shape kept, the rest filled."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    top, left = (size - new_height) // 2, (size - new_width) // 2
    canvas = np.full((size, size, 3), fill, np.uint8)
    canvas[top : top + new_height, left : left + new_width] = resize(image, new_height, new_width)
    return Placed(canvas, (left / size, top / size, (left + new_width) / size, (top + new_height) / size))


def _resample(image: Image, length: int) -> Image:
    """Resample the first axis to ``length``."""
    if len(image) == length:
        return image
    taps, weights = _filter(len(image), length)
    rows = image.reshape(len(image), -1)
    out = np.empty((length, rows.shape[1]), np.uint8)
    step = max(CHUNK_BYTES // (4 * rows.shape[1]), 1)
    for start in range(0, length, step):
        part = slice(start, start + step)
        out[part] = _weighted(rows, taps[part], weights[part])
    return out.reshape(length, *image.shape[1:])


def _weighted(rows: Image, taps: NDArray[np.intp], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of the rows that ``taps`` (n, k) names, weighted; plus a half, so that cutting it off rounds."""
    first = taps.min()
    needed = rows[first : taps.max() + 1].astype(np.float32)
    total = np.full((len(taps), rows.shape[1]), 0.5, np.float32)
    term = np.empty_like(total)
    for tap, weight in zip((taps - first).T, weights.T, strict=True):
        np.take(needed, tap, axis=0, out=term, mode="clip")
        term *= weight[:, None]
        total += term
    return total


@lru_cache(maxsize=64)  # a session asks for a few pairs of sizes, each for every frame
def _filter(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which samples each new one is made from, and their weights: both (new, taps). The triangle filter."""
    scale = old / new
    reach = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    first = np.floor(centres - reach + 0.5).astype(np.intp)
    taps = first[:, None] + np.arange(int(np.ceil(reach)) * 2 + 1)
    weights = np.maximum(1 - np.abs(taps + 0.5 - centres[:, None]) / reach, 0)
    weights[(taps < 0) | (taps >= old)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return np.clip(taps, 0, old - 1)[:, used], weights[:, used].astype(np.float32)
