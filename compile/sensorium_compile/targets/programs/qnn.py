"""Compiles for the Hexagon NPU and executes on its emulation, in the environment of onnxruntime-qnn.

    qnn.py compile MODEL.onnx CONTEXT.onnx OPTIONS.json    writes the context binary
    qnn.py serve CONTEXT.onnx                              answers feeds from standard input until it ends

A message is its length in 8 bytes, then an .npz: tensors by name, or ``error``.
"""

import io
import json
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

LENGTH = struct.Struct("<Q")
ERROR = "error"


def send(stream: BinaryIO, tensors: Mapping[str, NDArray[np.generic]]) -> None:
    """Write one message."""
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **tensors)
    stream.write(LENGTH.pack(packed.tell()) + packed.getvalue())
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, NDArray[np.generic]] | None:
    """Read one message; None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    with np.load(io.BytesIO(stream.read(*LENGTH.unpack(head)))) as archive:
        return dict(archive)


def main(arguments: list[str]) -> None:
    """See the module."""
    from sensorium.backends.qnn import session

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the vendor's library prints
    command, model = arguments[0], Path(arguments[1])
    if command == "compile":
        session(model.name, model.read_bytes(), json.loads(Path(arguments[3]).read_text()), 1, Path(arguments[2]))
        return
    opened = session(model.name, model.read_bytes(), {}, 1)
    names = [output.name for output in opened.get_outputs()]
    send(answers, {})
    while (feeds := receive(sys.stdin.buffer)) is not None:
        try:
            send(answers, dict(zip(names, opened.run(names, feeds), strict=True)))
        except Exception as err:  # told to who asked, who goes on or not
            send(answers, {ERROR: np.array(str(err).splitlines()[0])})


if __name__ == "__main__":
    main(sys.argv[1:])
