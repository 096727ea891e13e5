"""Small inputs that promise or unfold to something huge: too large for the corpus, so they are made here."""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import soundfile

DEEP = 100_000  # levels
UNFOLDED = 256 * 2**20  # bytes, from a quarter of a megabyte


def _zip_of_zeros(name: str) -> bytes:
    """A zip file with a manifest, whose other member unfolds a thousandfold; its sha256 is right."""
    zeros, total = bytes(2**20), hashlib.sha256()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(name, "w") as member:
            for _ in range(UNFOLDED // len(zeros)):
                member.write(zeros)
                total.update(zeros)
        told = {"schema_version": 1, "name": "x", "target": "any", "parts": {}}
        files = {name: {"sha256": total.hexdigest(), "size": UNFOLDED}}
        archive.writestr("manifest.json", json.dumps(told | {"files": files}))
    return stream.getvalue()


def _npz_that_promises(shape: tuple[int, ...]) -> bytes:
    """An array's header with nothing behind it."""
    stream, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    return stream.getvalue()


def _png(width: int, height: int) -> bytes:
    """A PNG of 8-bit RGBA that is black and transparent everywhere."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(1), bytes(1 + 4 * width)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", rows) + block(b"IEND", b"")


def _wav_that_promises(size: int) -> bytes:
    """A WAV header of 64 channels at 768 kHz with a second's thousandth behind it."""
    form = struct.pack("<HHIIHH", 1, 64, 768_000, 768_000 * 128, 128, 16)
    head = b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return head + b"data" + struct.pack("<I", size) + bytes(128 * 768)


def _flac_of_silence(seconds: int) -> bytes:
    """Silence of eight channels at 192 kHz, which FLAC packs into next to nothing."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", 192_000, 8, "PCM_16", format="FLAC") as sound:
        for _ in range(seconds):
            sound.write(np.zeros((192_000, 8), np.int16))
    return stream.getvalue()


def _many_senses() -> bytes:
    """A model of forty senses, which have a million million subsets."""
    senses = {f"s{number}": {"kind": "sound", "samples": 1600} for number in range(40)}
    return json.dumps({"modalities": senses, "heads": {"x": {"labels": ["a", "b"]}}, "temperature": {"s0": 1}}).encode()


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a zip file that unfolds a thousandfold": ("bundle", lambda: _zip_of_zeros("model.onnx")),
    "golden tensors that unfold a thousandfold": ("golden", lambda: _zip_of_zeros("x.npy")),
    "an array of 8 GB": ("golden", lambda: _npz_that_promises((2**30,))),
    "an array of more than there is": ("golden", lambda: _npz_that_promises((2**40, 2**10))),
    "a manifest of brackets": ("manifest", lambda: b"[" * DEEP),
    "a manifest of parts in parts": ("manifest", lambda: b'{"schema_version": 1, "parts": ' + b'{"a":' * DEEP),
    "a recipe of brackets": ("recipe", lambda: b"a = " + b"[" * DEEP),
    "a ladder of brackets": ("ladder", lambda: b"rung = " + b"[" * DEEP),
    "a recipe of dots": ("recipe", lambda: b"a." * 500_000 + b"b = 1"),
    "a ladder of quoted dots": ("ladder", lambda: b"'a' . " * 200_000 + b"b = 1"),
    "a ladder of one long word": ("ladder", lambda: b"a" * 1_000_000),
    "a report of brackets": ("report", lambda: b"[" * DEEP),
    "settings of brackets": ("steps", lambda: b"[" * DEEP),
    "forty senses": ("config", _many_senses),
    "a picture of 30 megapixels": ("picture", lambda: _png(5500, 5500)),
    "a wav file of 4 GB": ("sound", lambda: _wav_that_promises(2**32 - 1)),
    "a wav stream of 4 GB": ("stdin", lambda: _wav_that_promises(2**32 - 1)),
    "silence on eight channels": ("sound", lambda: _flac_of_silence(20)),
    "a line without an end": ("lines", lambda: b"a" * 10**7),
    "a row without an end": ("readings", lambda: b"1," * 10**6),
}
