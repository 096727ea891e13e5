"""Finite pictures that stand in for a camera: a video file, a folder of pictures, one still."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.errors import SourceError
from sensorium_devices.images import read_image, require_file
from sensorium_devices.opencv import load_opencv

Image: TypeAlias = NDArray[np.uint8]  # (height, width, 3) RGB

DEFAULT_FPS = 10.0  # for stills: as often as a person would notice; nothing changes in between


class Reel(Protocol):
    """Pictures with their times since the start, one after the other."""

    fps: float
    still: bool  # photographs, which repeat on purpose
    faults: list[str]  # what was skipped, and why

    def next(self) -> tuple[int, Image] | None:
        """The next picture and its time since the start [ns]; None at the end."""
        ...

    def release(self) -> None:
        """Let go of the file."""
        ...


class PictureReel:
    """Each picture for ``seconds_each``, repeated at ``fps``; one that cannot be read is skipped and told."""

    still = True

    def __init__(self, paths: Sequence[Path], fps: float | None, seconds_each: float) -> None:
        self.fps = fps or DEFAULT_FPS
        self.faults: list[str] = []
        self._frames = self._play(paths, max(1, round(seconds_each * self.fps)))

    def next(self) -> tuple[int, Image] | None:
        """The next picture and its time since the start [ns]; None at the end."""
        return next(self._frames, None)

    def release(self) -> None:
        """Nothing is held open."""

    def _play(self, paths: Sequence[Path], repeats: int) -> Iterator[tuple[int, Image]]:
        shown = 0
        for path in paths:
            try:
                image = read_image(path)
            except SourceError as err:
                self.faults.append(str(err))
                continue
            for _ in range(repeats):
                yield round(shown * NS_PER_S / self.fps), image
                shown += 1
        if shown == 0:
            raise SourceError(f"none of {len(paths)} pictures can be read; the first: {self.faults[0]}")


class StillReel:
    """One picture, again and again: a camera that looks at a photograph until it is closed."""

    still = True

    def __init__(self, path: Path, fps: float | None) -> None:
        self.fps = fps or DEFAULT_FPS
        self.faults: list[str] = []
        self._image = read_image(path)
        self._shown = 0

    def next(self) -> tuple[int, Image] | None:
        """The picture and its time since the start [ns]."""
        at_ns = round(self._shown * NS_PER_S / self.fps)
        self._shown += 1
        return at_ns, self._image

    def release(self) -> None:
        """Nothing is held open."""


class VideoReel:
    """A video file, with the times that it carries; frames without a time of their own follow at its rate."""

    still = False

    def __init__(self, path: Path) -> None:
        require_file(path)
        cv2 = load_opencv()
        self._cv2 = cv2
        self._path = path
        self._capture: Any = cv2.VideoCapture(str(path), cv2.CAP_ANY)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"{path}: not a video that OpenCV can read, or a damaged one")
        told = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = told if 0 < told < 1000 else DEFAULT_FPS  # raw streams tell 0 or 90,000
        self.faults: list[str] = []
        self._count = 0
        self._last_ns = -1

    def next(self) -> tuple[int, Image] | None:
        """The next frame and its time since the start [ns]; None at the end."""
        if not self._capture.grab():
            self._check_end()
            return None
        at_ns = round(self._capture.get(self._cv2.CAP_PROP_POS_MSEC) * NS_PER_MS)
        if at_ns <= self._last_ns:
            at_ns = self._last_ns + round(NS_PER_S / self.fps)
        found, image = self._capture.retrieve()
        if not found:
            self._check_end()
            return None
        self._count += 1
        self._last_ns = at_ns
        return at_ns, as_rgb(image)

    def release(self) -> None:
        """Close the file."""
        self._capture.release()

    def _check_end(self) -> None:
        promised = int(self._capture.get(self._cv2.CAP_PROP_FRAME_COUNT))
        if self._count < promised:
            self.faults.append(f"{self._path}: ended after {self._count} of {promised} frames")


def as_rgb(image: NDArray[Any]) -> Image:
    """A frame as OpenCV's captures give it, BGR or grey, as RGB."""
    cv2 = load_opencv()
    grey = image.ndim == 2 or image.shape[2] == 1
    rgb: Image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB)
    return rgb
