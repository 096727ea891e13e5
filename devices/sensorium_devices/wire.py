"""A sample as a JSON header and its raw numbers: how recordings keep it and how processes hand it over.

The native runner reads messages, from a pipe or a socket: the lengths of header and numbers, each 4 bytes little
endian, then the two themselves. ``cmake/README.md`` says what a header holds.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.samples import AudioChunk, Frame, Line, Reading, Sample

Bytes = NDArray[np.uint8]  # (n,)

_NOTHING: Bytes = np.zeros(0, np.uint8)


def split_sample(sample: Sample) -> tuple[bytes, Bytes]:
    """The header of a sample and its numbers, uint8 (n,), little endian; the numbers are not copied where possible."""
    header, raw = _described(sample)
    return _json(header), raw


def pack_message(header: Mapping[str, Any], sample: Sample | None = None) -> bytes:
    """A message of that header; of a sample, with what describes it added, and its numbers."""
    own, raw = _described(sample) if sample is not None else ({}, _NOTHING)
    head = _json({**header, **own})
    return struct.pack("<II", len(head), len(raw)) + head + raw.tobytes()


def _described(sample: Sample) -> tuple[dict[str, Any], Bytes]:
    header: dict[str, Any] = {"captured_ns": sample.captured_ns, "seq": sample.seq}
    raw = _NOTHING
    match sample:
        case Frame(image=image, still=still):
            header |= {"type": "frame", "shape": image.shape, "still": still}
            raw = np.ascontiguousarray(image).reshape(-1)
        case AudioChunk(samples=samples, rate_hz=rate_hz, echo=echo, cleaned=cleaned):
            header |= {"type": "audio", "rate_hz": rate_hz, "echo": echo}
            raw = _bytes(samples)
            if cleaned is not None:
                header |= {"cleaned": True}
                raw = np.concatenate([raw, _bytes(cleaned)])
        case Line(text=text):
            header |= {"type": "line", "text": text}
        case Reading(values=values):
            header |= {"type": "reading"}
            raw = _bytes(values)
    return header, raw


def _json(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, separators=(",", ":")).encode()


def join_sample(head: bytes, raw: Bytes) -> Sample:
    """The inverse; a frame keeps ``raw`` as its picture. Raises ValueError, KeyError or TypeError for anything else."""
    header = json.loads(head)
    at, seq = int(header["captured_ns"]), int(header["seq"])
    match header["type"]:
        case "frame":
            return Frame(at, seq, raw.reshape(header["shape"]), bool(header["still"]))
        case "audio":
            rows = _floats(raw).reshape(2 if header.get("cleaned") else 1, -1)
            return AudioChunk(at, seq, rows[0], int(header["rate_hz"]), float(header["echo"]), *rows[1:])
        case "line":
            return Line(at, seq, str(header["text"]))
        case "reading":
            return Reading(at, seq, _floats(raw))
    raise ValueError(f"no sample type {header['type']!r}")


def _bytes(values: NDArray[np.float32]) -> Bytes:
    return np.ascontiguousarray(values, "<f4").view(np.uint8)


def _floats(raw: Bytes) -> NDArray[np.float32]:
    return raw.view("<f4").astype(np.float32)
