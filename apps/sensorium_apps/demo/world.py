"""The demo's world: a network camera and a network microphone on loopback, played by the script in real time."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium_apps.demo.script import Action, Ask, Cut, Return, Show
from sensorium_devices.virtual import MjpegServer, WavStreamServer

FPS = 10.0
SENSOR_NOISE = 2.0  # standard deviation of luma: what a phone's camera shows indoors
PICTURE = (480, 640)  # height, width
MIC_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class Happened:
    """An action, and when it really happened on the session's clock [ns]."""

    at_ns: int
    until_ns: int  # for a question: when it was spoken to its end
    action: Action


class World:
    """Plays actions; ``happened`` tells what took place."""

    def __init__(
        self,
        photos: Sequence[NDArray[np.uint8]],
        questions: Mapping[str, NDArray[np.float32]],
        type_line: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._photos = [_fit(photo) for photo in photos]
        self._questions = questions
        self.type_line = type_line
        self._photo = self._photos[0]
        self._noise = np.random.default_rng(0)
        self.camera = MjpegServer(self._frame, FPS)
        self.microphone = WavStreamServer(MIC_RATE_HZ)
        self.happened: list[Happened] = []

    def __enter__(self) -> Self:
        self.camera.start()
        self.microphone.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.stop()
        self.microphone.stop()

    def play(self, script: Sequence[Action], end_s: float, stop: threading.Event) -> None:
        """Let the script happen, from now on; returns at its end or when ``stop`` is set."""
        start = time.monotonic()
        for action in script:
            if stop.wait(max(0.0, start + action.at_s - time.monotonic())):
                return
            self._do(action)
        stop.wait(max(0.0, start + end_s - time.monotonic()))

    def _do(self, action: Action) -> None:
        at_ns = until_ns = time.monotonic_ns()
        if isinstance(action, Show):
            self._photo = self._photos[action.photo]
        elif isinstance(action, Ask):
            speech = self._questions[action.text]
            self.microphone.say(speech)
            until_ns += len(speech) * 1_000_000_000 // MIC_RATE_HZ
        elif isinstance(action, Cut):
            self._device(action.device).stop()
        elif isinstance(action, Return):
            self._device(action.device).start()
        else:
            self.type_line(action.text)
        self.happened.append(Happened(at_ns, until_ns, action))

    def _device(self, modality: str) -> MjpegServer | WavStreamServer:
        return self.camera if modality == "vision" else self.microphone

    def _frame(self) -> NDArray[np.uint8]:
        """The photo with a sensor's noise: no two frames of a real camera are equal."""
        noise = self._noise.normal(0, SENSOR_NOISE, self._photo.shape[:2])[..., None]
        return np.clip(self._photo + noise, 0, 255).astype(np.uint8)


def _fit(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photo whole, as large as it fits into the camera's picture, on grey."""
    import cv2

    height, width = photo.shape[:2]
    scale = min(PICTURE[0] / height, PICTURE[1] / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    canvas = np.full((*PICTURE, 3), 128, np.uint8)
    top, left = (PICTURE[0] - size[1]) // 2, (PICTURE[1] - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas
