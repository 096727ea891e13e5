"""Vision: a camera by index, by network address, or a file that stands in for one.

    0, /dev/video2                  a camera of this machine
    http://..., rtsp://..., ...     a network camera (MJPEG, RTSP, whatever FFmpeg opens)
    clip.mp4                        a video, at its own pace
    photo.jpg                       a picture, shown until closed
    photos/                         a folder of pictures in the order of their names, then the end

A camera of the first two kinds never lags: a frame that nobody took is replaced by the next one, and counted.
"""

import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sensorium.clock import NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import Frame
from sensorium.source import SourceInfo
from sensorium_devices.clips import PictureReel, Reel, StillReel, VideoReel
from sensorium_devices.images import IMAGE_SUFFIXES, picture_files
from sensorium_devices.live import LiveCapture, Opened
from sensorium_devices.opencv import load_opencv
from sensorium_devices.uri import is_url, without_password

RATE_TOLERANCE = 0.2  # a rate measured over 0.4 s is no better than this on a busy machine

DECODER_THREADS = 2  # FFmpeg holds back a frame for each thread but one: 15 frames with its default on 16 cores


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What is asked of a camera; what it cannot do is told in the notes of ``open``."""

    width: int | None = None  # [px]
    height: int | None = None  # [px]
    fps: float | None = None
    photo_seconds: float = 3.0  # how long each picture of a folder is shown [s]
    realtime: bool = True  # False: a file is read as fast as possible, its times still a pace apart
    open_timeout_s: float = 3.0
    read_timeout_s: float = 1.0  # a network camera that is silent for so long is lost; raise it below 2 fps


class Camera:
    """A source of frames; ``captured_ns`` is when the driver handed a frame over, or the file's own time."""

    def __init__(self, uri: str, clock: Clock, settings: CameraSettings | None = None) -> None:
        self._uri = uri
        self._clock = clock
        self._settings = settings or CameraSettings()
        self._lock = threading.Lock()
        self._player: LiveCapture | _FilePlayer | None = None
        self._closed = threading.Event()
        self._known_fps = 0.0  # of a network camera, as it was seen so far

    @property
    def modality(self) -> str:
        """``vision``."""
        return "vision"

    @property
    def name(self) -> str:
        """As the user wrote it, without the password of a network address."""
        return without_password(self._uri)

    @property
    def finite(self) -> bool:
        """Whether it ends by itself: a video or a folder does, a still picture only when not in real time."""
        if self.is_live:
            return False
        still = Path(self._uri).suffix.lower() in IMAGE_SUFFIXES
        return not (still and self._settings.realtime)

    @property
    def dropped(self) -> int:
        """How many frames of a live camera nobody took, since it was opened."""
        player = self._player
        return player.dropped if isinstance(player, LiveCapture) else 0

    @property
    def faults(self) -> tuple[str, ...]:
        """What went wrong without ending it: pictures skipped, a video shorter than it says."""
        player = self._player
        return tuple(player.faults) if isinstance(player, _FilePlayer) else ()

    def open(self) -> SourceInfo:
        """Open it and wait for its first frame; raises SourceError with the reason."""
        self.close()
        self._closed.clear()
        return self._open_live() if self.is_live else self._open_file()

    def read(self) -> Frame | None:
        """The next frame of a file, the newest of a camera. None at the end and once closed."""
        player = self._player
        return player.read() if player is not None else None

    def close(self) -> None:
        """Release it; a ``read`` under way returns None."""
        with self._lock:
            self._closed.set()
            player, self._player = self._player, None
        if isinstance(player, LiveCapture) and player.seen_fps:
            self._known_fps = player.seen_fps
        if player is not None:
            player.close()

    @property
    def is_live(self) -> bool:
        """Whether it is a camera of this machine or of the network, and no file."""
        return self._uri.isdecimal() or is_url(self._uri) or self._uri.startswith("/dev/")

    def _open_file(self) -> SourceInfo:
        path = Path(self._uri)
        settings = self._settings
        player = _FilePlayer(_reel(path, settings), self._clock, settings.realtime)
        self._own(player)
        height, width = player.shape
        notes = _size_notes(settings, width, height) + tuple(player.faults)
        if not self.finite:
            notes += ("a still picture, shown until closed",)
        description = f"{width}x{height} at {player.fps:.3g} fps, from {path.name}"
        return SourceInfo(description, round(NS_PER_S / player.fps), notes)

    def _open_live(self) -> SourceInfo:
        settings = self._settings
        network = is_url(self._uri)
        connect: Callable[[], Any] = self._connect_network if network else self._connect_device
        capture = LiveCapture(connect, self._clock, self.name, settings.read_timeout_s)
        self._own(capture)  # before it starts, so that ``close`` need not wait for the opening
        # A camera that was lost is back with its first frame: its rate was measured before.
        opened = capture.start(settings.open_timeout_s, trust_told_fps=not network, known_fps=self._known_fps)
        if network:
            self._known_fps = opened.seen_fps
        return _live_info(opened, settings, network)

    def _own(self, player: "LiveCapture | _FilePlayer") -> None:
        with self._lock:
            if not self._closed.is_set():
                self._player = player
                return
        player.close()
        raise SourceError(f"camera {self.name}: closed while it was being opened")

    def _connect_network(self) -> Any:
        cv2 = load_opencv()
        limits = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(self._settings.open_timeout_s * 1000)),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(self._settings.read_timeout_s * 1000)),
            *(cv2.CAP_PROP_N_THREADS, DECODER_THREADS),
        ]
        capture = cv2.VideoCapture(self._uri, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"camera {self.name}: {_why_unreachable(self._uri, self._settings.open_timeout_s)}")
        return capture

    def _connect_device(self) -> Any:
        cv2 = load_opencv()
        node = Path(f"/dev/video{self._uri}" if self._uri.isdecimal() else self._uri)
        linux = sys.platform == "linux"
        if linux and not node.exists():
            raise SourceError(f"camera {self.name}: {node} does not exist; see `sensorium devices`")
        index: int | str = int(self._uri) if self._uri.isdecimal() else self._uri
        capture = cv2.VideoCapture(index, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"camera {self.name}: does not open; in use by another program, or no permission")
        _ask(cv2, capture, self._settings)
        return capture


class _FilePlayer:
    """Plays a reel at its own pace; a reader that comes late gets the next picture at once."""

    def __init__(self, reel: Reel, clock: Clock, realtime: bool) -> None:
        self._reel = reel
        self._clock = clock
        self._realtime = realtime
        self._closed = threading.Event()
        self._decoding = threading.Lock()
        self._seq = 0
        try:
            self._next = reel.next()
            if self._next is None:
                raise SourceError("no picture can be read from it")
        except SourceError:
            reel.release()
            raise
        self.shape: tuple[int, int] = self._next[1].shape[:2]
        self.fps = reel.fps
        self._start_ns = clock.now_ns() - self._next[0]

    @property
    def faults(self) -> list[str]:
        return self._reel.faults

    def read(self) -> Frame | None:
        with self._decoding:
            if not self._closed.is_set() and self._next is None:
                self._next = self._reel.next()
            shot, self._next = self._next, None
        if shot is None or self._closed.is_set():
            return None
        captured_ns = self._start_ns + shot[0]
        early_ns = captured_ns - self._clock.now_ns()
        if self._realtime and early_ns > 0 and self._closed.wait(early_ns / NS_PER_S):
            return None
        self._seq += 1
        return Frame(captured_ns, self._seq - 1, shot[1], still=self._reel.still)

    def close(self) -> None:
        self._closed.set()
        with self._decoding:
            self._reel.release()


def _reel(path: Path, settings: CameraSettings) -> Reel:
    if path.is_dir():
        return PictureReel(picture_files(path), settings.fps, settings.photo_seconds)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return VideoReel(path)
    if settings.realtime:
        return StillReel(path, settings.fps)
    return PictureReel([path], settings.fps, settings.photo_seconds)


def _ask(cv2: Any, capture: Any, settings: CameraSettings) -> None:
    wishes = {
        cv2.CAP_PROP_FRAME_WIDTH: settings.width,
        cv2.CAP_PROP_FRAME_HEIGHT: settings.height,
        cv2.CAP_PROP_FPS: settings.fps,
        cv2.CAP_PROP_BUFFERSIZE: 1,  # the fewest that the driver may hold back
    }
    for key, value in wishes.items():
        if value is not None:
            capture.set(key, value)


def _live_info(opened: Opened, settings: CameraSettings, network: bool) -> SourceInfo:
    fps = opened.seen_fps if network else opened.told_fps or opened.seen_fps
    rate = f"{fps:.3g} fps" if fps else "an unknown rate"
    notes = _size_notes(settings, opened.width, opened.height)
    if settings.fps and fps and abs(fps - settings.fps) > RATE_TOLERANCE * settings.fps:
        notes += (f"asked for {settings.fps:g} fps, gives {fps:.3g}",)
    period_ns = round(NS_PER_S / fps) if fps else 0
    return SourceInfo(f"{opened.width}x{opened.height} at {rate}", period_ns, notes, measured=fps != opened.told_fps)


def _size_notes(settings: CameraSettings, width: int, height: int) -> tuple[str, ...]:
    asked = (settings.width or width, settings.height or height)
    if asked == (width, height):
        return ()
    return (f"asked for {asked[0]}x{asked[1]}, gives {width}x{height}",)


def _why_unreachable(uri: str, limit_s: float) -> str:
    """FFmpeg does not tell why; a connection of our own does."""
    parts = urlsplit(uri)
    if parts.scheme == "udp" or not parts.hostname:
        return "nothing arrives there that OpenCV can read"
    port = parts.port or {"rtsp": 554, "rtsps": 322, "https": 443}.get(parts.scheme, 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=limit_s).close()
    except OSError as err:
        return f"cannot connect to {parts.hostname}:{port} ({err.strerror or err})"
    return f"{parts.hostname}:{port} answers, but gives no video that OpenCV can read; is the path right?"
