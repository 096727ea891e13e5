"""Small things that several tests of devices need: pictures that carry a number, a read that must end."""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SourceError
from sensorium_devices.virtual import encode_jpeg

BITS = 16
WIDTH, HEIGHT = 320, 240


def numbered(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A picture of vertical bars that spell a number, readable after JPEG."""
    image = np.full((height, width, 3), (200, 60, 20), np.uint8)  # orange: red and blue are told apart
    bar = width // BITS
    for bit in range(BITS):
        image[height // 2 :, bit * bar : (bit + 1) * bar] = 255 if number >> bit & 1 else 0
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that `numbered` put into a picture."""
    height, width = image.shape[:2]
    bar = width // BITS
    row = image[3 * height // 4]
    return sum(1 << bit for bit in range(BITS) if row[bit * bar + bar // 2].mean() > 127)


def counting(shown: list[int] | None = None) -> Callable[[], NDArray[np.uint8]]:
    """A camera's scene: 1, 2, 3, ... ; each number is put into ``shown`` when it is asked for."""

    def scenes() -> Iterator[NDArray[np.uint8]]:
        for number in range(1, 1 << BITS):
            if shown is not None:
                shown.append(number)
            yield numbered(number)

    scene = scenes()
    return lambda: next(scene)


def write_video(path: Path, frames: int, fps: float = 25.0) -> Path:
    """An MJPEG video of numbered pictures, from 0."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (WIDTH, HEIGHT))
    for number in range(frames):
        writer.write(cv2.cvtColor(numbered(number), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_jpeg(path: Path, image: NDArray[np.uint8]) -> Path:
    path.write_bytes(encode_jpeg(image))
    return path


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that says how the camera was held (TIFF tag 0x0112)."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds nothing: what a decompression bomb looks like."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = block(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", zlib.compress(b"\0" * 10)) + block(b"IEND", b"")


def read_until_lost(source: Any, most: int = 1000) -> SourceError:
    """Read until the source raises SourceError, and hand back the error."""
    for _ in range(most):
        try:
            sample = source.read()
        except SourceError as error:
            return error
        assert sample is not None, "it ended as if it had been closed"
    raise AssertionError(f"still there after {most} samples")


def read_all(source: Any) -> list[Any]:
    """Everything until the source's end."""
    samples = []
    while (sample := source.read()) is not None:
        samples.append(sample)
    return samples
