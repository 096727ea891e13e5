"""A headset's overlay: labels on what is seen, captions of what is said, a notice when a sense is gone."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S
from sensorium.errors import SinkError
from sensorium.events import Event, HealthChanged, Percept, Reply, Thing, Utterance
from sensorium.health import State
from sensorium_apps.wording import NAMES, trouble
from sensorium_devices.opencv import load_opencv
from sensorium_devices.retention import Retention, marked

MOST_LABELS = 5  # more would hide what they name
LEAST_SCORE = 0.4  # a wrong label in front of the eyes is worse than none
CAPTION_NS = 4 * NS_PER_S  # two lines of a subtitle are read in this time (BBC subtitle guidelines: 0.3 s a word)
REPLY_NS = 8 * NS_PER_S
JPEG_NAME = "overlay-{:06d}.jpg"


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is drawn over the world at one moment."""

    labels: tuple[Thing, ...] = ()
    caption: str = ""  # what the user says, as it is said, or the answer
    notice: str = ""  # which sense is missing

    def lines(self) -> list[str]:
        """The overlay in words, for a display without boxes."""
        labels = ", ".join(f"{thing.label} {_box(thing)}" for thing in self.labels)
        return [line for line in (labels, self.caption, self.notice and f"! {self.notice}") if line]


@dataclass(slots=True)
class Rules:
    """From events to overlays."""

    overlay: Overlay = Overlay()
    _until_ns: int = 0  # when the caption goes
    _ill: dict[str, str] = field(default_factory=dict)  # modality -> what is wrong

    def take(self, event: Event) -> Overlay | None:
        """The overlay after this event; None where it stays as it was."""
        before = self.overlay
        caption, labels = before.caption, before.labels
        if event.at_ns >= self._until_ns:
            caption = ""
        if isinstance(event, Utterance):
            caption = f"you: {event.text}{'' if event.final else ' …'}"
            self._until_ns = event.at_ns + CAPTION_NS
        elif isinstance(event, Reply):
            caption, self._until_ns = event.text, event.at_ns + REPLY_NS
        elif isinstance(event, HealthChanged):
            self._judge(event)
        elif isinstance(event, Percept):
            sure = sorted((t for t in event.things if t.score >= LEAST_SCORE), key=lambda t: -t.score)
            labels = tuple(sure[:MOST_LABELS]) if event.senses["vision"].evidence else ()
        self.overlay = Overlay(labels, caption, "; ".join(self._ill.values()))
        return self.overlay if self.overlay != before else None

    def _judge(self, change: HealthChanged) -> None:
        if change.state is State.LIVE:
            self._ill.pop(change.modality, None)
        elif change.modality in NAMES:
            self._ill[change.modality] = trouble(change)


class Pictures:
    """The camera's picture with the overlay on it, as numbered JPEG files or in a window."""

    def __init__(self, folder: Path | None, keep_days: float | None = None) -> None:
        """``folder`` None: a window. ``keep_days``: older pictures of ours in the folder go.

        Raises SinkError where OpenCV has no window or the folder cannot be made.
        """
        self._cv2 = load_opencv()
        self._folder = folder
        self._retention = Retention(folder, keep_days) if folder is not None else None
        self._count = 0
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            else:
                self._cv2.namedWindow("sensorium", self._cv2.WINDOW_NORMAL)
        except OSError as err:
            raise SinkError(f"{folder}: {err.strerror}") from err
        except self._cv2.error as err:
            raise SinkError("this OpenCV opens no window; use --pictures FOLDER, or opencv-python") from err

    def show(self, image: NDArray[np.uint8], overlay: Overlay) -> str:
        """Draw one picture, RGB (height, width, 3); the key that was pressed in the window, else ""."""
        drawn = draw(self._cv2, image, overlay)
        if self._folder is None or self._retention is None:
            self._cv2.imshow("sensorium", drawn)
            key: int = self._cv2.waitKey(1)
            return chr(key & 0xFF) if key >= 0 else ""
        path = self._folder / JPEG_NAME.format(self._count)
        try:
            path.write_bytes(marked(self._cv2.imencode(".jpg", drawn)[1].tobytes()))
        except OSError as err:
            raise SinkError(f"{path}: {err.strerror}") from err
        self._retention.sweep()
        self._count += 1
        return ""


def draw(cv2: Any, image: NDArray[np.uint8], overlay: Overlay) -> NDArray[np.uint8]:
    """The overlay on an RGB picture, as BGR (height, width, 3)."""
    drawn: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    height, width = drawn.shape[:2]
    for thing in overlay.labels:
        x0, y0, x1, y1 = (round(s * n) for s, n in zip(thing.box, (width, height, width, height), strict=True))
        cv2.rectangle(drawn, (x0, y0), (x1, y1), (80, 220, 80), 2)
        _write(cv2, drawn, thing.label, x0, max(20, y0 - 6))
    _write(cv2, drawn, overlay.caption, 10, height - 14)
    _write(cv2, drawn, overlay.notice, 10, 24)
    return drawn


def _write(cv2: Any, image: NDArray[np.uint8], text: str, x: int, y: int) -> None:
    """White on a dark rim, so that it is read on any ground; OpenCV's font knows ASCII only."""
    plain = text.replace("…", "...").encode("ascii", "replace").decode()
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(image, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, thickness, cv2.LINE_AA)


def _box(thing: Thing) -> str:
    return "[" + " ".join(f"{share:.2f}" for share in thing.box) + "]"
