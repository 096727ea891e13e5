"""A camera and a microphone on loopback: real servers that the real sources open, for demos and tests.

Both can be cut (``stop``), brought back on the same port (``start``), made to hang (``pause``, ``resume``).
"""

import queue
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler

import numpy as np
from numpy.typing import NDArray

from sensorium_devices.opencv import load_opencv
from sensorium_devices.serving import HOST, LoopbackServer

JPEG_QUALITY = 90  # as many network cameras set it
BLOCK_S = 0.02  # what the microphone sends at once [s]
ROOM_DBFS = -66.0  # a quiet office through a laptop's microphone
CLIENT_BLOCKS = 50  # one second: a client that is further behind loses sound, as at a real device
STREAM_BYTES = 0xFFFFFFFF  # a WAV header's way to say: without end


class MjpegServer(LoopbackServer):
    """A network camera: what ``frames`` gives, as MJPEG, ``fps`` times a second.

    ``frames`` is called for each frame of each client, or iterated (its last picture then stays); each is
    uint8 RGB (height, width, 3). The same array given again is not encoded again.
    """

    def __init__(
        self, frames: Callable[[], NDArray[np.uint8]] | Iterable[NDArray[np.uint8]], fps: float = 15.0
    ) -> None:
        super().__init__("mjpeg server")
        self._next = frames if callable(frames) else _last_stays(frames)
        self._period_s = 1 / fps
        self._lock = threading.Lock()
        self._encoded: tuple[NDArray[np.uint8], bytes] | None = None
        self._flowing = threading.Event()
        self._flowing.set()

    @property
    def url(self) -> str:
        """What to hand to a camera."""
        return f"http://{HOST}:{self.port}/camera.mjpg"

    def pause(self) -> None:
        """Hang: connections stay, no frame comes."""
        self._flowing.clear()

    def resume(self) -> None:
        """Go on after ``pause``."""
        self._flowing.set()

    def stop(self) -> None:
        """Cut every connection and stop listening. Twice is fine."""
        self._flowing.set()  # or a client that hangs would not see the end
        super().stop()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send frames until cut."""
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        due = time.monotonic()
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            self._flowing.wait()
            jpeg = self._jpeg()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            request.wfile.write(head.encode() + jpeg + b"\r\n")
            due = max(due + self._period_s, time.monotonic() - self._period_s)

    def _jpeg(self) -> bytes:
        with self._lock:
            image = self._next()
            if self._encoded is None or self._encoded[0] is not image:
                self._encoded = (image, encode_jpeg(image))
            return self._encoded[1]


class WavStreamServer(LoopbackServer):
    """A network microphone: 16-bit mono PCM with a WAV header, in real time; a quiet room while nothing is said.

    ``room_dbfs`` is the level of the room's noise [dB of full scale]; minus infinity is digital silence, as a muted
    microphone gives. What is said while it is cut, or while nobody listens, is lost, as it would be in a room.
    """

    def __init__(self, rate_hz: int = 16_000, room_dbfs: float = ROOM_DBFS) -> None:
        super().__init__("wav server")
        self.rate_hz = rate_hz
        self._room = 32767 * 10 ** (room_dbfs / 20)
        self._noise = np.random.default_rng(0)
        self._block = round(rate_hz * BLOCK_S)
        self._changed = threading.Condition()
        self._speech: deque[NDArray[np.int16]] = deque()
        self._listeners: set[queue.Queue[bytes]] = set()
        self._flowing = True
        self._pump: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What to hand to a microphone."""
        return f"http://{HOST}:{self.port}/microphone.wav"

    def start(self) -> None:
        """Listen, and let time pass."""
        if self.running:
            return
        super().start()
        self._pump = threading.Thread(target=self._run, name="wav server pump", daemon=True)
        self._pump.start()

    def stop(self) -> None:
        """Cut every connection and stop listening; what was still to be said is lost. Twice is fine."""
        super().stop()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.join()
        with self._changed:
            self._speech.clear()
            self._flowing = True
            self._changed.notify_all()

    def say(self, samples: NDArray[np.float32]) -> None:
        """Speak float32 (n,) at ``rate_hz`` after what is being said; returns at once."""
        spoken = (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)
        with self._changed:
            if self.running:
                self._speech.extend(np.split(spoken, range(self._block, len(spoken), self._block)))

    def wait_said(self, limit_s: float) -> bool:
        """Wait until all of it was said; False when it was not within the limit."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._speech, limit_s)

    def wait_heard(self, limit_s: float) -> bool:
        """Wait until somebody listens; False when nobody does within the limit."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._listeners), limit_s)

    def pause(self) -> None:
        """Hang: connections stay, no sample comes."""
        with self._changed:
            self._flowing = False

    def resume(self) -> None:
        """Go on after ``pause``."""
        with self._changed:
            self._flowing = True

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send sound until cut."""
        request.send_response(200)
        request.send_header("Content-Type", "audio/wav")
        request.end_headers()
        request.wfile.write(wav_header(self.rate_hz))
        blocks: queue.Queue[bytes] = queue.Queue(CLIENT_BLOCKS)
        self._set_listening(blocks, True)
        try:
            while not self.stopping.is_set():
                try:
                    request.wfile.write(blocks.get(timeout=2 * BLOCK_S))
                except queue.Empty:
                    continue
        finally:
            self._set_listening(blocks, False)

    def _set_listening(self, blocks: "queue.Queue[bytes]", listening: bool) -> None:
        with self._changed:
            (self._listeners.add if listening else self._listeners.discard)(blocks)
            self._changed.notify_all()

    def _run(self) -> None:
        due = time.monotonic()
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            due += BLOCK_S
            with self._changed:
                if self._flowing:
                    self._send(self._speech.popleft() if self._speech else np.zeros(0, np.int16))

    def _send(self, spoken: NDArray[np.int16]) -> None:
        block = self._noise.normal(0, self._room, self._block).round().astype("<i2")
        block[: len(spoken)] = np.clip(block[: len(spoken)] + spoken.astype(np.int32), -32768, 32767)
        for listener in self._listeners:
            if not listener.full():
                listener.put_nowait(block.tobytes())
        if not self._speech:
            self._changed.notify_all()


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Uint8 RGB (height, width, 3) as a JPEG file."""
    cv2 = load_opencv()
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])


def wav_header(rate_hz: int, data_bytes: int = STREAM_BYTES) -> bytes:
    """The 44 bytes before 16-bit mono PCM; by default of a stream without end."""
    riff_bytes = min(STREAM_BYTES, data_bytes + 36)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", riff_bytes, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return head + struct.pack("<4sI", b"data", data_bytes)


def _last_stays(frames: Iterable[NDArray[np.uint8]]) -> Callable[[], NDArray[np.uint8]]:
    pictures: Iterator[NDArray[np.uint8]] = iter(frames)
    last: list[NDArray[np.uint8]] = []

    def advance() -> NDArray[np.uint8]:
        for picture in pictures:
            last[:] = [picture]
            break
        if not last:
            raise ValueError("a camera needs at least one frame")
        return last[0]

    return advance
