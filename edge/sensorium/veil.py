"""Pictures without faces: each face becomes a mosaic too coarse to know anybody by, and so does the whole picture
where nobody can say whether there is one.
"""

import logging
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Lock
from typing import Protocol

import numpy as np

from sensorium.clock import NS_PER_S
from sensorium.images import Box, Image
from sensorium.samples import Frame

log = logging.getLogger(__name__)

# Faces are still told apart in mosaics of 14x14 cells by a network that learned to (McPherson et al.,
# https://arxiv.org/abs/1609.00408); these are a twelfth of that.
CELLS = 4  # to a face, in each direction
PICTURE_CELLS = 8  # to the longer side of a picture that is hidden whole: also of a face that fills it
MARGIN = 0.2  # of a box, on each side: hair and chin, and a box that does not sit well
# A detector misses a face in some frames of a video: where one was, the mosaic stays, and grows as it may have moved.
HOLD_NS = NS_PER_S
GROWTH = 0.5  # of a box, on each side, at the end of that time


class FaceFinder(Protocol):
    """Says where faces are."""

    def find(self, image: Image) -> tuple[Box, ...]:
        """A box around every face, relative to the picture; raises where it cannot tell."""
        ...


@dataclass(frozen=True, slots=True)
class Veiled:
    """A frame that may leave."""

    frame: Frame
    failure: str = ""  # why it was hidden whole, where the detector failed


class Veil:
    """Hides the faces of one camera's frames; from any thread, one at a time."""

    def __init__(self, faces: FaceFinder | None) -> None:
        """``faces`` None: every picture is hidden whole."""
        self._faces = faces
        self._lock = Lock()
        self._seen: list[tuple[int, Box]] = []  # captured_ns and place of every face, where it was last found
        self._told = ""  # the failure that the log knows
        self._last: tuple[Frame, Veiled] | None = None  # a recording and a screen may ask for the same

    def over(self, frame: Frame) -> Veiled:
        """The frame with every face hidden; the whole of it where there is no detector, or it fails."""
        with self._lock:
            if self._last is None or self._last[0] is not frame:
                self._last = frame, self._hide(frame)
            return self._last[1]

    def _hide(self, frame: Frame) -> Veiled:
        if self._faces is None:
            return Veiled(hidden(frame))
        try:
            found = self._faces.find(frame.image)
        except Exception as err:  # a backend's own exceptions share no base class
            reason = f"faces: {type(err).__name__}: {err}"
            if reason != self._told:  # once, not thirty times a second
                log.warning("pictures leave as mosaics, for no face can be looked for: %s", reason)
            self._told = reason
            return Veiled(hidden(frame), reason)
        now_ns = frame.captured_ns
        held = ((at_ns, box) for at_ns, box in self._seen if abs(now_ns - at_ns) <= HOLD_NS)
        lost = [(at_ns, box) for at_ns, box in held if not any(_holds(now, box) for now in found)]
        self._seen = [*lost, *((now_ns, box) for box in found)]
        if not self._seen:
            return Veiled(frame)
        image = frame.image.copy()
        for at_ns, box in self._seen:
            mosaic(image, grown(box, MARGIN + GROWTH * abs(now_ns - at_ns) / HOLD_NS), CELLS, CELLS)
        image.flags.writeable = False
        return Veiled(replace(frame, image=image))


def hidden(frame: Frame) -> Frame:
    """The whole picture as a mosaic: light and colours are left of it."""
    height, width = frame.image.shape[:2]
    longer = max(height, width)
    rows, columns = (max(1, PICTURE_CELLS * side // longer) for side in (height, width))
    image = frame.image.copy()
    mosaic(image, (0.0, 0.0, 1.0, 1.0), rows, columns)
    return replace(frame, image=image)


def grown(box: Box, margin: float) -> Box:
    """A box larger by a share of its size on each side, cut at the picture's edges."""
    x0, y0, x1, y1 = box
    wide, high = margin * (x1 - x0), margin * (y1 - y0)
    return max(0.0, x0 - wide), max(0.0, y0 - high), min(1.0, x1 + wide), min(1.0, y1 + high)


def _holds(box: Box, other: Box) -> bool:
    """Whether the middle of the other lies in this one: then they are of one face."""
    x, y = (other[0] + other[2]) / 2, (other[1] + other[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def mosaic(image: Image, box: Box, rows: int, columns: int) -> None:
    """Replace the part of a picture inside a relative box by the means of its cells, in place."""
    height, width = image.shape[:2]
    left, top = int(box[0] * width), int(box[1] * height)
    right, bottom = min(width, int(np.ceil(box[2] * width))), min(height, int(np.ceil(box[3] * height)))
    ys = np.unique(np.linspace(top, bottom, rows + 1).astype(int))
    xs = np.unique(np.linspace(left, right, columns + 1).astype(int))
    for y0, y1 in pairwise(ys):
        for x0, x1 in pairwise(xs):
            image[y0:y1, x0:x1] = image[y0:y1, x0:x1].mean(axis=(0, 1))
