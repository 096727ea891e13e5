"""A microphone of this machine, through PortAudio. Its callback only copies and enqueues."""

import contextlib
import queue
from typing import Any

import numpy as np

from sensorium.clock import NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium_devices import portaudio
from sensorium_devices.feeds import Block, FeedFormat
from sensorium_devices.portaudio import COMMON_RATES_HZ, Device, NoDeviceError
from sensorium_devices.sound import check_format

BLOCK_S = 0.01  # short blocks: what the driver adds to a sample's age [s]
QUEUE_BLOCKS = 200  # two seconds, after which a reader that does not read loses sound
SILENCE_LIMIT_S = 1.0  # a device that calls back no more was unplugged, or its server died
START_LIMIT_S = 3.0  # PulseAudio's first block may be two seconds long


class SoundCardFeed:
    """Blocks from a PortAudio device, at the device's own rate."""

    def __init__(self, wanted: str, clock: Clock) -> None:
        self._wanted = wanted
        self._clock = clock
        self._blocks: queue.Queue[tuple[bytes, int] | None] = queue.Queue(QUEUE_BLOCKS)
        self._audio: Any = None
        self._stream: Any = None
        self._channels = 1
        self._limit_s = START_LIMIT_S
        self._closed = False
        self._dropped = 0
        self._overflows = 0
        self._go_on = 0
        self._overflowed = 0

    @property
    def faults(self) -> dict[str, int]:
        """Blocks that nobody took in time, and overflows that the device reported."""
        counts = {"blocks dropped": self._dropped, "overflows": self._overflows}
        return {what: count for what, count in counts.items() if count}

    def open(self) -> FeedFormat:
        """Open the device and start it."""
        try:
            self._audio = portaudio.open_portaudio()
            device = portaudio.find_device(self._audio, self._wanted, "input")
            rate_hz = self._start(device)
        except NoDeviceError as err:
            self.close()
            raise SourceError(f"microphone {self._wanted}: {err}") from err
        except SourceError:
            self.close()
            raise
        latency_ns = round(self._stream.get_input_latency() * NS_PER_S)
        return FeedFormat(rate_hz, self._channels, f"{device['name']}, {rate_hz} Hz", latency_ns)

    def read(self) -> Block | None:
        """The next block, some 10 ms."""
        if self._closed:
            return None
        try:
            item = self._blocks.get(timeout=self._limit_s)
        except queue.Empty as err:
            raise SourceError(f"microphone {self._wanted}: gives no samples for {self._limit_s:g} s") from err
        if item is None or self._closed:
            return None
        self._limit_s = SILENCE_LIMIT_S
        samples = np.frombuffer(item[0], "<i2").reshape(-1, self._channels)
        return Block(samples.astype(np.float32) * np.float32(1 / 32768), item[1])

    def interrupt(self) -> None:
        """Wake the reader; with a full queue none waits."""
        self._closed = True
        with contextlib.suppress(queue.Full):
            self._blocks.put_nowait(None)

    def close(self) -> None:
        """Stop and release the device."""
        self.interrupt()
        with portaudio.lock:
            stream, self._stream = self._stream, None
            audio, self._audio = self._audio, None
            if stream is not None:
                stream.close()
            if audio is not None:
                audio.terminate()

    def _start(self, device: Device) -> int:
        import pyaudio  # it is there: open_portaudio found it

        self._go_on, self._overflowed = pyaudio.paContinue, pyaudio.paInputOverflow
        reasons = []
        for channels, rate_hz in _formats(device):
            self._channels = channels
            try:
                with portaudio.lock:
                    self._stream = self._audio.open(
                        rate=rate_hz,
                        channels=channels,
                        format=pyaudio.paInt16,
                        input=True,
                        input_device_index=device["index"],
                        frames_per_buffer=round(rate_hz * BLOCK_S),
                        stream_callback=self._arrived,
                    )
            except (OSError, ValueError) as err:
                reasons.append(f"{channels} x {rate_hz} Hz: {err.args[-1] if err.args else err}")
                continue
            check_format(self._wanted, rate_hz, channels)
            return rate_hz
        raise SourceError(f"microphone {self._wanted}: {device['name']} does not open ({'; '.join(reasons)})")

    def _arrived(self, data: bytes, _frames: int, _times: object, status: int) -> tuple[None, int]:
        self._overflows += bool(status & self._overflowed)
        try:
            self._blocks.put_nowait((data, self._clock.now_ns()))
        except queue.Full:
            self._dropped += 1
        return None, self._go_on


def _formats(device: Device) -> list[tuple[int, int]]:
    """Channel counts and rates to try: as few channels and as near to the device's own rate as it takes."""
    most = int(device["maxInputChannels"])
    rates = dict.fromkeys([round(device["defaultSampleRate"]), *COMMON_RATES_HZ])
    counts = dict.fromkeys([1, min(2, most), most])
    return [(count, rate) for count in counts for rate in rates]
