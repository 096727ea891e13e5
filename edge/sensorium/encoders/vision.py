"""Pictures: what is wrong with them, what things are in them, what they are called as a whole."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS
from sensorium.components.classifier import Classifier
from sensorium.components.colour import dominant_colour
from sensorium.components.detector import Detector
from sensorium.errors import SampleError
from sensorium.events import Guess, Thing
from sensorium.evidence import Evidence, Phrase
from sensorium.health import PictureHealth
from sensorium.samples import Frame, Sample
from sensorium.steps import Finding

T = TypeVar("T")

log = logging.getLogger(__name__)

DETECT_NS = 250 * NS_PER_MS  # things move: four looks a second
CLASSIFY_NS = 500 * NS_PER_MS  # a whole scene changes more slowly
LOOK_AGAIN_NS = 2_000 * NS_PER_MS  # even where nothing changes
HINT = 0.1  # detections from this score on are evidence, as the calibration had them; fewer are told as things
NAMES = 10  # of a picture that are kept: ConSE (arXiv 1312.5650) mixes the best ten
UNCHANGED = 3.0  # mean change of luma [0-255] that is no change; a sensor's noise is about 2


class VisionEncoder:
    """Looks at pictures at its graphs' own rates, and rarely where nothing changes."""

    modality = "vision"

    def __init__(self, detector: Detector | None, classifier: Classifier | None) -> None:
        self._detector, self._classifier = detector, classifier
        self._health = PictureHealth()
        self._look = Look()

    def encode(self, sample: Sample) -> Finding:
        """Health, things, names and evidence of one frame."""
        if not isinstance(sample, Frame):
            raise SampleError(f"the vision encoder takes frames; given {type(sample).__name__}")
        image, at_ns = sample.image, sample.captured_ns
        fault = self._health.step(image, at_ns, still=sample.still)
        if fault is not None:
            self._look = Look()
            return Finding("vision", at_ns, fault=fault)
        look = self._look
        changed = look.change.step(image)
        failures: list[str] = []
        if look.detect_rate.due(at_ns, changed):
            look.things = _attempt(lambda: self._detect(image), "detector", failures) or ()
        if look.classify_rate.due(at_ns, changed):
            look.names = _attempt(lambda: self._classify(image), "classifier", failures) or ()
        evidence = Evidence("vision", _phrases(look.things, look.names), at_ns)
        return Finding(
            "vision",
            at_ns,
            evidence=(evidence,),
            things=tuple(thing for thing in look.things if self._told(thing.score)),
            names=look.names,
            failures=tuple(failures),
        )

    def _detect(self, image: NDArray[np.uint8]) -> tuple[Thing, ...]:
        if self._detector is None:
            return ()
        found = self._detector.detect(image, HINT)
        return tuple(
            Thing(d.label, d.score, d.box, dominant_colour(image, d.box) if self._told(d.score) else "") for d in found
        )

    def _told(self, score: float) -> bool:
        return self._detector is not None and score >= self._detector.threshold

    def _classify(self, image: NDArray[np.uint8]) -> tuple[Guess, ...]:
        if self._classifier is None:
            return ()
        probabilities = self._classifier.classify(image)
        return tuple(Guess(name, float(p)) for name, p in self._classifier.names(probabilities, NAMES))


class Change:
    """Whether a picture differs from the last one that did."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None

    def step(self, image: NDArray[np.uint8]) -> bool:
        """Whether this picture (height, width, 3) is a change."""
        small = image[4::16, 4::16].mean(axis=2).astype(np.int16)  # (h/16, w/16)
        before = self._before
        if before is not None and before.shape == small.shape and _difference(small, before) < UNCHANGED:
            return False
        self._before = small
        return True


class Rate:
    """When a graph is due: soon after a change, and now and then without one."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._last_ns: int | None = None
        self._wanted = True

    def due(self, at_ns: int, changed: bool) -> bool:
        """Whether to run it on the picture of ``at_ns``."""
        self._wanted |= changed
        since_ns = LOOK_AGAIN_NS if self._last_ns is None else at_ns - self._last_ns
        if since_ns >= LOOK_AGAIN_NS or (self._wanted and since_ns >= self._period_ns):
            self._last_ns, self._wanted = at_ns, False
            return True
        return False


@dataclass(slots=True)
class Look:
    """What was last seen, from the first good picture on."""

    things: tuple[Thing, ...] = ()
    names: tuple[Guess, ...] = ()
    change: Change = field(default_factory=Change)
    detect_rate: Rate = field(default_factory=lambda: Rate(DETECT_NS))
    classify_rate: Rate = field(default_factory=lambda: Rate(CLASSIFY_NS))


def _difference(a: NDArray[np.int16], b: NDArray[np.int16]) -> float:
    return float(np.abs(a - b).mean()) if a.size else 0.0


def _attempt(look: Callable[[], T], part: str, failures: list[str]) -> T | None:
    """What ``look`` gives; a part that fails is left out of this picture, not the picture."""
    try:
        return look()
    except Exception as err:  # a backend's own exceptions share no base class
        log.exception("%s failed", part)
        failures.append(f"{part}: {type(err).__name__}: {err}")
        return None


def _phrases(things: tuple[Thing, ...], names: tuple[Guess, ...]) -> tuple[Phrase, ...]:
    labels = [Phrase(t.label, min(1.0, t.score)) for t in things]
    coloured = [Phrase(f"{t.colour} {t.label}", min(1.0, t.score)) for t in things if t.colour]
    return (*labels, *coloured, *(Phrase(n.name, min(1.0, n.probability), "share") for n in names))
