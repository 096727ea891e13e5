"""Raw sound that comes as bytes without an end: what its header says, and its samples."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SourceError
from sensorium_devices.sound import RATE_HZ, check_format

RIFF = b"RIFF"
FORMAT_PCM, FORMAT_FLOAT, FORMAT_EXTENSIBLE = 1, 3, 0xFFFE  # Microsoft's mmreg.h
MOST_HEADER_BYTES = 1_000_000  # pictures and tags before the sound; more is no header

ReadExactly = Callable[[int], bytes]  # fewer bytes than asked only at the end


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """How samples lie in the bytes: little endian, channels interleaved."""

    rate_hz: int = RATE_HZ
    channels: int = 1
    dtype: str = "<i2"  # or <i4, <f4

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * np.dtype(self.dtype).itemsize

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Whole frames as float32 (n, channels); integers scaled to [-1, 1)."""
        samples = np.frombuffer(data, self.dtype).reshape(-1, self.channels)
        if self.dtype == "<f4":
            return samples.astype(np.float32)
        return (samples / -float(np.iinfo(self.dtype).min)).astype(np.float32)


def read_wav_header(name: str, read: ReadExactly) -> PcmFormat:
    """Read on after ``RIFF`` up to the first sample; raises SourceError for no WAV of a known kind."""
    if read(8)[4:] != b"WAVE":
        raise SourceError(f"{name}: a RIFF stream, but no WAV")
    found: PcmFormat | None = None
    passed = 0
    while passed < MOST_HEADER_BYTES:
        head = read(8)
        if len(head) < 8:
            break
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            if found is None:
                break
            return found
        passed += size
        body = read(min(size + size % 2, MOST_HEADER_BYTES))
        if kind == b"fmt ":
            found = _format(name, body)
    raise SourceError(f"{name}: a WAV header without format or data")


def _format(name: str, body: bytes) -> PcmFormat:
    if len(body) < 16:
        raise SourceError(f"{name}: a WAV header that was cut off")
    code, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if code == FORMAT_EXTENSIBLE and len(body) >= 26:
        code = struct.unpack("<H", body[24:26])[0]
    dtype = {(FORMAT_PCM, 16): "<i2", (FORMAT_PCM, 32): "<i4", (FORMAT_FLOAT, 32): "<f4"}.get((code, bits))
    if dtype is None:
        raise SourceError(f"{name}: WAV format {code} of {bits} bits; known: PCM of 16 or 32 bits, float of 32")
    check_format(name, rate_hz, channels)
    return PcmFormat(rate_hz, channels, dtype)
