"""A loudspeaker of this machine, through PortAudio."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SinkError
from sensorium_devices import portaudio
from sensorium_devices.portaudio import COMMON_RATES_HZ, Device, NoDeviceError
from sensorium_devices.speaker import AHEAD_S, PIECE_S, resampler

STUCK_S = 2.0  # a loudspeaker that takes nothing for so long was unplugged, or its server died [s]


class LoudSpeaker:
    """A PortAudio device. It is opened by the first utterance and stays open, silent in between.

    A callback takes pieces of ``PIECE_S`` from a buffer of 0.2 s, so that ``stop`` leaves only what the device holds.
    """

    def __init__(self, wanted: str = "default") -> None:
        """``wanted``: ``default``, an index, or a part of the device's name."""
        self._wanted = wanted
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._stopped = True
        self._closed = False
        self._audio: Any = None
        self._stream: Any = None
        self._device_rate_hz = 0
        self._rate_hz = 0
        self._resampler: Any = None
        self._rest = np.zeros(0, np.float32)
        self._go_on = 0

    @property
    def name(self) -> str:
        """As the user wrote it."""
        return self._wanted

    def start(self, rate_hz: int) -> None:
        """Begin an utterance; raises SinkError when the device will not open."""
        if self._stream is None:
            self._open(rate_hz)
        with self._changed:
            self._stopped = self._closed
            self._pieces.clear()
        self._rest = np.zeros(0, np.float32)
        self._resampler = None if rate_hz == self._device_rate_hz else resampler(rate_hz, self._device_rate_hz)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Play float32 (n,); returns when all but 0.2 s of it went to the device, at once after ``stop``."""
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(np.ascontiguousarray(samples, np.float32))
        self._enqueue(np.concatenate([self._rest, samples]))

    def drain(self) -> None:
        """Wait until the last sample left the device, or ``stop``."""
        rest = self._rest
        if self._resampler is not None:
            rest = np.concatenate([rest, self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)])
            self._resampler = None
        if len(rest):
            self._enqueue(np.concatenate([rest, np.zeros(-len(rest) % self._piece, np.float32)]))
        self._wait(lambda: not self._pieces)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, PIECE_S + self._latency_s())

    def stop(self) -> None:
        """Fall silent; what is buffered is thrown away."""
        with self._changed:
            self._stopped = True
            self._pieces.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Fall silent and release the device."""
        self._closed = True
        self.stop()
        with portaudio.lock:
            stream, self._stream = self._stream, None
            audio, self._audio = self._audio, None
            if stream is not None:
                stream.close()
            if audio is not None:
                audio.terminate()

    @property
    def _piece(self) -> int:
        return max(1, round(self._device_rate_hz * PIECE_S))

    def _enqueue(self, samples: NDArray[np.float32]) -> None:
        whole = len(samples) // self._piece * self._piece
        self._rest = samples[whole:]
        pcm = (np.clip(samples[:whole], -1.0, 1.0) * 32767).astype("<i2").reshape(-1, self._piece)
        for piece in pcm:
            self._wait(lambda: len(self._pieces) * PIECE_S < AHEAD_S)
            with self._changed:
                if self._stopped:
                    return
                self._pieces.append(piece.tobytes())

    def _wait(self, ready: Callable[[], bool]) -> None:
        with self._changed:
            before = len(self._pieces)
            while not self._changed.wait_for(lambda: self._stopped or ready(), STUCK_S):
                if len(self._pieces) >= before:
                    raise SinkError(f"speaker {self._wanted}: takes no sound for {STUCK_S:g} s")
                before = len(self._pieces)

    def _latency_s(self) -> float:
        stream = self._stream
        return float(stream.get_output_latency()) if stream is not None else 0.0

    def _open(self, rate_hz: int) -> None:
        self._closed = False
        try:
            self._audio = portaudio.open_portaudio()
            device = portaudio.find_device(self._audio, self._wanted, "output")
            self._device_rate_hz = self._open_stream(device, rate_hz)
        except (NoDeviceError, SinkError) as err:
            self.close()
            raise SinkError(f"speaker {self._wanted}: {err}") from err

    def _open_stream(self, device: Device, rate_hz: int) -> int:
        import pyaudio  # it is there: open_portaudio found it

        self._go_on = pyaudio.paContinue
        reason: Exception | None = None
        for rate in dict.fromkeys([rate_hz, round(device["defaultSampleRate"]), *COMMON_RATES_HZ]):
            self._device_rate_hz = rate
            try:
                with portaudio.lock:
                    self._stream = self._audio.open(
                        rate=rate,
                        channels=1,
                        format=pyaudio.paInt16,
                        output=True,
                        output_device_index=device["index"],
                        frames_per_buffer=self._piece,
                        stream_callback=self._wanted_now,
                    )
            except (OSError, ValueError) as err:
                reason = err
                continue
            return int(rate)
        raise SinkError(f"{device['name']} does not open ({reason})")

    def _wanted_now(self, _data: object, frames: int, _times: object, _status: int) -> tuple[bytes, int]:
        with self._changed:
            piece = self._pieces.popleft() if self._pieces else b""
            self._changed.notify_all()
        return piece.ljust(2 * frames, b"\0"), self._go_on
