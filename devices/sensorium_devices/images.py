"""Pictures from files: any format that OpenCV reads, to uint8 RGB, upright, on white where transparent."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SourceError
from sensorium.samples import MAX_PIXELS
from sensorium_devices.opencv import load_opencv

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
BAND_PIXELS = 2**18  # that are laid on white at once: as floats some 10 MB, where 64 megapixels would be 3 GB
MAX_BYTES = 256_000_000  # 64 megapixels of RGBA, uncompressed: a larger file is no picture we could show

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND"
JPEG_MAGIC = b"\xff\xd8"
JPEG_START_OF_SCAN = b"\xff\xda"
JPEG_END = b"\xff\xd9"
JPEG_SIZE_MARKERS = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}  # SOF0 to SOF15, ITU-T T.81


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """The picture as uint8 RGB (height, width, 3); raises SourceError with one line that says why not.

    EXIF orientation is applied (of a picture without transparency), grey becomes RGB, 16 bits become 8.
    """
    path = Path(path)
    data = _read_bytes(path)
    if data.startswith(JPEG_MAGIC) and data.rfind(JPEG_END) < data.rfind(JPEG_START_OF_SCAN):
        raise SourceError(f"{path}: a JPEG that was cut off; {len(data)} bytes are there")
    if data.startswith(PNG_MAGIC) and not _has_png_end(data):
        raise SourceError(f"{path}: a PNG that was cut off; {len(data)} bytes are there")
    width, height = told_size(data)
    if width * height > MAX_PIXELS:
        raise _too_large(path)
    image = _decode(path, data)
    if image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise _too_large(path)
    return image


def told_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a PNG or JPEG, before anything is decoded; else (0, 0)."""
    if data.startswith(PNG_MAGIC) and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    at = len(JPEG_MAGIC) if data.startswith(JPEG_MAGIC) else len(data)
    while at + 9 <= len(data):
        marker, length = struct.unpack(">HH", data[at : at + 4])
        if marker in JPEG_SIZE_MARKERS:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + max(2, length)
    return 0, 0


def _has_png_end(data: bytes) -> bool:
    """Whether the chunks of a PNG lead to its end. OpenCV would take memory for a chunk of 4 GB that is not there."""
    at, kind = len(PNG_MAGIC), b""
    while kind != PNG_END and at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        at += 12 + length  # with its own header and checksum
    return kind == PNG_END and at <= len(data)


def picture_files(folder: Path) -> list[Path]:
    """The folder's pictures in the order of their names; raises SourceError when there are none."""
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as err:
        raise SourceError(f"{folder}: {err.strerror}") from err
    if not found:
        raise SourceError(f"{folder}: no pictures in it; known: {', '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def require_file(path: Path) -> int:
    """The file's size [bytes]; raises SourceError when it is missing, no plain file, or empty."""
    try:
        size = path.stat().st_size
    except OSError as err:
        raise SourceError(f"{path}: {err.strerror}") from err
    if not path.is_file():
        raise SourceError(f"{path}: not a file")
    if size == 0:
        raise SourceError(f"{path}: empty (0 bytes)")
    return size


def _read_bytes(path: Path) -> bytes:
    size = require_file(path)
    if size > MAX_BYTES:
        raise SourceError(f"{path}: {size:,} bytes; a picture has at most {MAX_BYTES:,}")
    try:
        return path.read_bytes()
    except OSError as err:
        raise SourceError(f"{path}: {err.strerror}") from err


def _decode(path: Path, data: bytes) -> NDArray[np.uint8]:
    cv2 = load_opencv()
    encoded = np.frombuffer(data, np.uint8)
    try:
        if not data.startswith(JPEG_MAGIC):  # a JPEG has no transparency: decoded once, not twice
            raw = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
            if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
                return _on_white(raw)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
    except cv2.error as err:
        if "CV_IO_MAX_IMAGE" in str(err):
            raise _too_large(path) from err
        raise SourceError(f"{path}: a damaged picture ({err.err})") from err
    if image is None:
        raise SourceError(f"{path}: not a picture that OpenCV can read, or a damaged one")
    rgb: NDArray[np.uint8] = image
    return rgb


def _on_white(bgra: NDArray[Any]) -> NDArray[np.uint8]:
    full = 255.0 if bgra.dtype == np.uint8 else 65535.0
    height, width = bgra.shape[:2]
    image = np.empty((height, width, 3), np.uint8)
    step = max(BAND_PIXELS // width, 1)
    for top in range(0, height, step):
        band = bgra[top : top + step].astype(np.float32)  # (step, width, 4)
        alpha = band[:, :, 3:] / full  # (step, width, 1)
        image[top : top + step] = np.rint(band[:, :, 2::-1] * (255.0 / full) * alpha + 255.0 * (1.0 - alpha))
    return image


def _too_large(path: Path) -> SourceError:
    return SourceError(f"{path}: more than {MAX_PIXELS:,} pixels; make it smaller")
