"""YOLOX-Nano on COCO photos, for one known-bad case: letterbox, grid decoding, NMS, and average precision at IoU 0.5.

Follows https://github.com/Megvii-BaseDetection/YOLOX (demo_utils.py, data_augment.py); AP as in VOC 2010 and COCO:
the area under the precision envelope.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIZE, STRIDES, GREY = 416, (8, 16, 32), 114
KEEP, IOU_NMS, IOU_RIGHT = 0.01, 0.65, 0.5  # YOLOX's own test settings; mAP50


def photos(folder: Path, count: int) -> list[tuple[Path, Floats]]:
    """The first val2017 photos with boxes (n, 5): class, centre and size as shares of the photo."""
    told = json.loads((folder / "labels.json").read_text())
    names = sorted(name for name, one in told.items() if one["split"] == "val2017" and one["boxes"])
    return [(folder / "val2017" / f"{name}.jpg", np.array(told[name]["boxes"])) for name in names[:count]]


def average_precisions(run: Callable[[NDArray[np.float32]], Floats], shown: Sequence[tuple[Path, Floats]]) -> Floats:
    """AP50 of every class that the photos show, (classes,); their mean is mAP50."""
    found, truth = [], []
    for index, (path, boxes) in enumerate(shown):
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        scale = SIZE / max(height, width)
        found += [(index, *row) for row in detect(run(letterbox(image, scale)))]
        centre, half = boxes[:, 1:3] * (width, height) * scale, boxes[:, 3:5] * (width, height) * scale / 2
        truth += [(index, *row) for row in np.hstack([boxes[:, :1], centre - half, centre + half])]
    given, made = np.array(truth), np.array(found).reshape(-1, 7)
    return np.array([_ap(given[given[:, 1] == c], made[made[:, 1] == c]) for c in np.unique(given[:, 1])])


def letterbox(image: NDArray[np.uint8], scale: float) -> NDArray[np.float32]:
    """BGR 0..255, top left, grey beside: (1, 3, SIZE, SIZE)."""
    canvas = np.full((SIZE, SIZE, 3), GREY, np.uint8)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)[:SIZE, :SIZE]
    canvas[: small.shape[0], : small.shape[1]] = small
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32)


def detect(out: Floats) -> Floats:
    """From raw rows (3549, 85) to boxes (n, 6): class, left, top, right, bottom, score."""
    grids = [np.stack(np.meshgrid(*[np.arange(SIZE // s)] * 2), -1).reshape(-1, 2) for s in STRIDES]
    stride = np.concatenate([np.full((len(g), 1), s) for g, s in zip(grids, STRIDES, strict=True)])
    centre, size = (out[:, :2] + np.concatenate(grids)) * stride, np.exp(out[:, 2:4]) * stride
    boxes, scores = np.hstack([centre - size / 2, centre + size / 2]), out[:, 4:5] * out[:, 5:]
    rows, classes = np.nonzero(scores > KEEP)
    chosen, kept = np.hstack([classes[:, None], boxes[rows], scores[rows, classes][:, None]]), []
    for c in np.unique(classes):
        left = chosen[chosen[:, 0] == c]
        left = left[np.argsort(-left[:, 5], kind="stable")]
        while len(left):
            kept.append(left[0])
            left = left[1:][_iou(left[0, 1:5], left[1:, 1:5]) <= IOU_NMS]
    return np.array(kept).reshape(-1, 6)


def _ap(truth: Floats, found: Floats) -> float:
    """Area under the precision envelope of one class; rows are photo, class, box, and for ``found`` a score."""
    taken, right = np.zeros(len(truth), bool), []
    for row in found[np.argsort(-found[:, 6], kind="stable")]:
        overlap = np.where((truth[:, 0] == row[0]) & ~taken, _iou(row[2:6], truth[:, 2:6]), 0)
        best = int(overlap.argmax())
        right.append(overlap[best] >= IOU_RIGHT)
        taken[best] |= right[-1]
    if not right:
        return 0.0
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((precision * right).sum() / len(truth))


def _iou(box: Floats, others: Floats) -> Floats:
    corner, end = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(end - corner, 0, None).prod(axis=1)
    both = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(both, 1e-9))
