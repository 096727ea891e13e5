"""Finds objects and where they are: CenterNet on MobileNetV3, COCO's 80 classes.

https://github.com/610265158/mobilenetv3_centernet, after "Objects as Points" (https://arxiv.org/abs/1904.07850).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sensorium.bundle import Part
from sensorium.images import Box, Image, letterbox

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detection:
    """An object: its box is relative to the image's width and height."""

    label: str
    score: float
    box: Box  # x0, y0, x1, y1 in [0, 1]


class DetectorConfig(BaseModel):
    """What the part says of its graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int  # side of the graph's input [pixels]
    fill: int  # what surrounds an image that is no square, 0 to 255
    threshold: float  # least score of a detection
    overlap: float  # of two boxes of one class that overlap more than this (intersection over union), one stays


class Detector:
    """The detector of a bundle; ``threads`` 0 leaves the number to the backend."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self._config = DetectorConfig.model_validate(dict(part.config))
        self._graph = part.graph(threads=threads)
        self.labels = tuple(part.read("labels").decode().splitlines())
        self.threshold = self._config.threshold

    def detect(self, image: Image, threshold: float | None = None) -> tuple[Detection, ...]:
        """Objects in an image, uint8 (height, width, 3) RGB, the surest first.

        ``threshold`` replaces the part's own: lower where a weak sign counts too.
        """
        config = self._config
        placed = letterbox(image, config.size, config.fill)
        rows = self._graph.run({"pixels": placed.image[None]})["detections"][0]  # (n, 6): x0 y0 x1 y1 score class
        rows = rows[rows[:, 4] >= (self.threshold if threshold is None else threshold)]
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        found = []
        for row in rows[distinct(rows[:, :4], rows[:, 5], config.overlap)]:
            x0, y0, x1, y1 = (float(v) / config.size for v in row[:4])
            box = placed.to_source((x0, y0, x1, y1))
            if box[0] < box[2] and box[1] < box[3]:
                found.append(Detection(self.labels[int(row[5])], float(row[4]), box))
        return tuple(found)


def distinct(boxes: Floats, classes: Floats, overlap: float) -> list[int]:
    """Greedy non-maximum suppression within each class: which of boxes (n, 4), sorted by score, stay."""
    shares = _intersection_over_union(boxes)
    shares[classes[:, None] != classes[None]] = 0
    kept: list[int] = []
    for index in range(len(boxes)):
        if not (shares[index, kept] > overlap).any():
            kept.append(index)
    return kept


def _intersection_over_union(boxes: Floats) -> Floats:
    """Every box with every other: (n, 4) -> (n, n)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    union = areas[:, None] + areas[None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)
