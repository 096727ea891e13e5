"""A camera that does not wait for us: a thread takes every frame at once and keeps the newest.

OpenCV's blocking calls cannot be interrupted, so only this thread ever makes them: whoever reads waits on a
condition, and whoever closes never has to.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import Frame
from sensorium_devices.clips import as_rgb

log = logging.getLogger(__name__)

SLACK_S = 0.5  # how much later than the driver's own time limits we give up ourselves
LISTEN_S = 0.4  # how long the rate is measured for: six frames at 15 fps
MANY = 25  # frames for a rate that is better than what was measured while opening
ENOUGH = 4  # frames for a rate: the first gap does not count, a median wants two
SHORTEST_GAP_NS = NS_PER_S // 250  # no network camera is faster than 240 fps: closer frames came from a buffer


@dataclass(frozen=True, slots=True)
class Opened:
    """What the camera turned out to give."""

    width: int
    height: int
    told_fps: float  # by the driver; 0 when it does not know
    seen_fps: float  # measured while opening, or known from before; 0 when too few frames came


class LiveCapture:
    """Owns an OpenCV capture, from its opening to its release, in one thread.

    Every frame that is grabbed is either read or dropped: ``grabbed == read + dropped + (1 if one waits)``.
    """

    def __init__(self, connect: Callable[[], Any], clock: Clock, name: str, read_limit_s: float) -> None:
        self._connect = connect
        self._clock = clock
        self._name = name
        self._read_limit_s = read_limit_s
        self._changed = threading.Condition()
        self._newest: tuple[int, int, NDArray[Any]] | None = None  # captured_ns, seq, picture
        self._error: SourceError | None = None
        self._closed = False
        self._told_fps = 0.0
        self._arrivals: list[int] = []  # of the first frames [ns], to measure the rate
        self.grabbed = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)

    def start(self, open_limit_s: float, trust_told_fps: bool, known_fps: float = 0.0) -> Opened:
        """Open and wait for the first frame; raises SourceError, and then nothing is left open.

        The rate is measured, unless the driver's word or one that is known from before is good enough.
        """
        if self._closed:
            raise SourceError(f"camera {self._name}: closed while it was being opened")
        self._thread.start()
        try:
            height, width = self._wait_newest(open_limit_s + self._read_limit_s + SLACK_S)[2].shape[:2]
            if not known_fps and not (trust_told_fps and self._told_fps > 0):
                self._listen()
        except SourceError:
            self.close()
            raise
        return Opened(width, height, self._told_fps, known_fps or _rate_hz(self._arrivals))

    @property
    def seen_fps(self) -> float:
        """The rate of its first hundred frames; 0 before it has given a second's worth or so."""
        with self._changed:
            return _rate_hz(self._arrivals) if len(self._arrivals) >= MANY else 0.0

    def read(self) -> Frame | None:
        """The newest frame not yet read, once there is one. None once closed; SourceError when it is lost."""
        try:
            captured_ns, seq, image = self._wait_newest(self._read_limit_s + SLACK_S, take=True)
        except SourceError:
            if self._closed:
                return None
            raise
        return Frame(captured_ns, seq, as_rgb(image))

    def close(self) -> None:
        """End the thread, which releases the camera; says so when a driver holds it up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is None:
            return  # closed before it was started
        self._thread.join(self._read_limit_s + SLACK_S)
        if self._thread.is_alive():
            log.warning("camera %s: its driver does not answer; it is released when it does", self._name)

    def _wait_newest(self, limit_s: float, take: bool = False) -> tuple[int, int, NDArray[Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._error or self._closed, limit_s)
            newest = self._newest
            if self._closed:
                raise SourceError(f"camera {self._name}: closed")
            if newest is None:
                raise self._error or SourceError(f"camera {self._name}: no frame within {limit_s:.1f} s")
            if take:
                self._newest = None
            return newest

    def _listen(self) -> None:
        with self._changed:
            ended = self._changed.wait_for(lambda: self._error or self._closed, LISTEN_S)
            if not ended:  # a slow camera gets a little longer
                self._changed.wait_for(lambda: self._error or self._closed or len(self._arrivals) >= ENOUGH, LISTEN_S)

    def _run(self) -> None:
        capture: Any = None
        try:
            capture = self._connect()
            self._told_fps = float(capture.get(_CAP_PROP_FPS))
            while not self._closed:
                asked = time.monotonic()
                if not capture.grab():
                    raise self._lost(time.monotonic() - asked)
                captured_ns = self._clock.now_ns()
                found, image = capture.retrieve()
                if found:
                    self._put(captured_ns, image)
        except SourceError as err:
            self._fail(err)
        except Exception as err:  # whatever a driver throws surfaces where the camera is read
            self._fail(SourceError(f"camera {self._name}: {type(err).__name__}: {err}"))
        finally:
            if capture is not None:
                capture.release()

    def _lost(self, waited_s: float) -> SourceError:
        hung = waited_s > 0.9 * self._read_limit_s
        reason = f"no frame within {self._read_limit_s:g} s" if hung else "it was disconnected"
        return SourceError(f"camera {self._name}: {reason}")

    def _put(self, captured_ns: int, image: NDArray[Any]) -> None:
        with self._changed:
            if len(self._arrivals) < 100:  # more than LISTEN_S can hold of any camera
                self._arrivals.append(time.monotonic_ns())
            self.dropped += self._newest is not None
            self._newest = (captured_ns, self.grabbed, image)
            self.grabbed += 1
            self._changed.notify_all()

    def _fail(self, error: SourceError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()


_CAP_PROP_FPS = 5  # cv2.CAP_PROP_FPS, which never changes: cv2 is imported by whoever connects


def _rate_hz(arrivals_ns: list[int]) -> float:
    """The rate from the median gap, without the gaps between frames that the opening had buffered."""
    gaps = np.diff(arrivals_ns)[1:]
    gaps = gaps[gaps > SHORTEST_GAP_NS]
    if len(gaps) < 2:
        return 0.0
    return float(NS_PER_S / np.median(gaps))
