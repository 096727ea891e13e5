"""Finds faces, to hide them: CenterFace, which is small and finds small ones.

https://github.com/Star-Clouds/CenterFace, after "CenterFace: Joint Face Detection and Alignment Using Face as Point"
(https://arxiv.org/abs/1911.03599); the decoding follows that repository's ``centerface.py``.
"""

from functools import cached_property

import numpy as np
from pydantic import BaseModel, ConfigDict

from sensorium.backends import Graph
from sensorium.bundle import Part
from sensorium.components.detector import distinct
from sensorium.errors import BackendError
from sensorium.images import Box, Image, letterbox

STRIDE = 4  # pixels of the graph's input to a cell of its outputs
OVERLAP = 0.3  # as in centerface.py; a margin around the box that stays covers what others add
MOST = 2000  # cells with a face: a stadium has some hundred; telling more apart takes memory without end
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)  # what is hidden then
LARGEST = 8.0  # of a side's logarithm, in cells: e**8 is far more than a picture


class FacesConfig(BaseModel):
    """What the part says of its graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int  # side of the graph's input [pixels]
    threshold: float  # least score of a face


class Faces:
    """The face detector of a bundle. Its graph is opened when the first picture is to leave; one thread at a time."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        """``threads`` 0 leaves the number to the backend."""
        self._part, self._threads = part, threads
        self._config = FacesConfig.model_validate(dict(part.config))

    @cached_property
    def _graph(self) -> Graph:
        return self._part.graph(threads=self._threads)

    def find(self, image: Image) -> tuple[Box, ...]:
        """A box around every face of a picture, uint8 (height, width, 3) RGB, the surest first.

        Raises BackendError, also where the graph gives NaN.
        """
        placed = letterbox(image, self._config.size, 0)
        told = self._graph.run({"pixels": placed.image[None]})
        score, size, offset = (told[name][0] for name in ("score", "size", "offset"))  # (1 or 2, h, w)
        if not all(np.isfinite(values).all() for values in (score, size, offset)):
            raise BackendError("the face detector's graph gave NaN or infinite values; compile the bundle again")
        rows, columns = np.nonzero(score[0] >= self._config.threshold)
        if len(rows) > MOST:
            return (WHOLE,)
        if not len(rows):
            return ()
        strongest = np.argsort(-score[0][rows, columns], kind="stable")
        rows, columns = rows[strongest], columns[strongest]
        high, wide = np.exp(np.minimum(size[:, rows, columns], LARGEST)) * STRIDE  # (n,) each
        y, x = (np.stack([rows, columns]) + offset[:, rows, columns] + 0.5) * STRIDE
        boxes = np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], axis=1) / self._config.size
        kept = distinct(boxes.astype(np.float32), np.zeros(len(boxes), np.float32), OVERLAP)
        found = (placed.to_source(tuple(boxes[i].tolist())) for i in kept)
        return tuple(box for box in found if box[0] < box[2] and box[1] < box[3])
