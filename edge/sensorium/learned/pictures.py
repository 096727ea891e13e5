"""Pictures for a learned model: judged, prepared, and encoded when they change."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS
from sensorium.encoders import FAILING
from sensorium.errors import SampleError
from sensorium.health import PictureHealth
from sensorium.inputs import ImageInput, prepare_image
from sensorium.learned.tower import Tokens, Tower
from sensorium.samples import Frame, Sample
from sensorium.steps import Finding

LOOK_NS = 100 * NS_PER_MS  # ten looks a second: twice a session's ticks
LOOK_AGAIN_NS = 2_000 * NS_PER_MS  # even where nothing changes
# Change of luma [0-255] of any ninth of the prepared picture that counts as one: it is made small, which averages a
# sensor's noise away.
CHANGED = 3.0
GRID = 3


class LearnedPictures:
    """One thread at a time uses it."""

    def __init__(
        self, tower: Tower, spec: ImageInput, variants: Mapping[str, tuple[Tower, ImageInput]] | None = None
    ) -> None:
        """``variants``: the same on smaller pictures, by name."""
        self.modality = tower.modality
        self._forms = {**(variants or {}), "": (tower, spec)}
        self._tower, self._spec = tower, spec
        self._health = PictureHealth()
        self._forget()

    def _forget(self) -> None:
        self._frames: deque[tuple[int, NDArray[np.uint8]]] = deque(maxlen=self._spec.frames)  # captured_ns, prepared
        self._encoded: NDArray[np.uint8] | None = None  # the picture that the tokens are of
        self._encoded_ns = 0
        self._tokens: Tokens | None = None

    def use_variant(self, name: str) -> None:
        """Go on with that variant; health is judged as before, a clip begins anew."""
        tower, spec = self._forms.get(name, self._forms[""])
        if tower is not self._tower:
            self._tower, self._spec = tower, spec
            self._forget()

    def encode(self, sample: Sample) -> Finding:
        """Health and tokens of one frame; the tokens of a picture that has not changed are kept."""
        if not isinstance(sample, Frame):
            raise SampleError(f"the {self.modality} encoder takes frames; given {type(sample).__name__}")
        at_ns = sample.captured_ns
        fault = self._health.step(sample.image, at_ns, still=sample.still)
        if fault is not None:
            self._forget()
            return Finding(self.modality, at_ns, fault=fault)
        failures: list[str] = []
        if self._keep(at_ns, sample.image) and self._due(at_ns):
            self._encoded, self._encoded_ns = self._frames[-1][1], at_ns
            self._tokens = self._tower.attempt(self._stored(), failures)
        if self._tokens is None:
            waiting = self._encoded is None  # for a clip to be complete
            return Finding(self.modality, at_ns, fault=None if waiting else FAILING, failures=tuple(failures))
        return Finding(self.modality, at_ns, evidence=(self._tower.evidence(self._tokens, at_ns),))

    def _keep(self, at_ns: int, image: NDArray[np.uint8]) -> bool:
        """Take the picture in; whether a whole clip is there. A single picture is a clip of one."""
        if self._encoded is not None and at_ns - self._encoded_ns < LOOK_NS and self._spec.frames == 1:
            return False
        period_ns = self._spec.frame_period_ms * NS_PER_MS
        if self._frames and self._spec.frames > 1:
            since_ns = at_ns - self._frames[-1][0]
            if since_ns < 0.9 * period_ns:  # cameras tremble
                return False
            if since_ns > 3 * period_ns:
                self._frames.clear()  # no clip goes on over a gap
        self._frames.append((at_ns, prepare_image(image, self._spec)))
        return len(self._frames) == self._spec.frames

    def _due(self, at_ns: int) -> bool:
        since_ns = at_ns - self._encoded_ns
        if self._encoded is None or since_ns >= LOOK_AGAIN_NS:
            return True
        moves = self._spec.frames > 1
        return since_ns >= LOOK_NS and (moves or changed(self._encoded, self._frames[-1][1]))

    def _stored(self) -> NDArray[np.uint8]:
        pictures = [picture for _, picture in self._frames]
        return pictures[0] if self._spec.frames == 1 else np.stack(pictures)


def changed(before: NDArray[np.uint8], now: NDArray[np.uint8]) -> bool:
    """Whether any ninth of two pictures (height, width, 3) of one size differs by more than noise."""
    differs = np.abs(before.astype(np.int16) - now).mean(axis=2)  # (height, width)
    cells = [cell for band in np.array_split(differs, GRID) for cell in np.array_split(band, GRID, axis=1)]
    return max(float(cell.mean()) for cell in cells) > CHANGED
