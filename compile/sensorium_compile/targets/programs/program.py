"""Compiles and executes with vendors' tools, in their own environments.

    program.py compile-qnn MODEL.onnx CONTEXT.onnx OPTIONS.json    writes a Hexagon's context binary
    program.py qnn CONTEXT.onnx                                    answers feeds on the emulated HTP
    program.py tosa MODEL.tflite                                   answers feeds as Arm's TOSA reference model does
    program.py graph MODEL ENTRY.json                              answers feeds by the backend of the manifest's entry

What answers reads messages from standard input until it ends: a length in 8 bytes, then an .npz of tensors by name, or
of ``error``. TOSA's are named by their place.
"""

import io
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]

LENGTH = struct.Struct("<Q")
ERROR = "error"


def pack(tensors: Tensors) -> bytes:
    """Tensors by name as an .npz."""
    packed, named = io.BytesIO(), dict[str, Any](tensors)
    np.savez(packed, **named)
    return packed.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """What ``pack`` was given."""
    with np.load(io.BytesIO(content)) as archive:
        return dict(archive)


def send(stream: BinaryIO, tensors: Tensors) -> None:
    """Write one message."""
    packed = pack(tensors)
    stream.write(LENGTH.pack(len(packed)) + packed)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, NDArray[Any]] | None:
    """Read one message; None at the end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return unpack(stream.read(*LENGTH.unpack(head)))


def serve(opens: Callable[[], Callable[[Tensors], Tensors]]) -> None:
    """Answer messages; the first one out says that it is open, or why not."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # vendors' libraries print
    try:
        run = opens()
        send(answers, {})
        while (feeds := receive(sys.stdin.buffer)) is not None:
            send(answers, run(feeds))
    except Exception as err:  # told to who asked
        send(answers, {ERROR: np.array(str(err).splitlines()[0])})


def qnn(model: Path) -> Callable[[Tensors], Tensors]:
    """By the runtime's own backend."""
    from sensorium.backends.qnn import session

    opened = session(model.name, model.read_bytes(), {}, 1)
    names = [output.name for output in opened.get_outputs()]
    return lambda feeds: dict(zip(names, opened.run(names, dict(feeds)), strict=True))


def tosa(model: Path) -> Callable[[Tensors], Tensors]:
    """Converted to TOSA (https://www.mlplatform.org/tosa), then by its reference model."""
    import tosa_reference_model as reference

    tools = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as scratch:
        written, made = Path(scratch) / "model.mlirbc", Path(scratch) / "model.tosa"
        _run([tools / "tosa-converter-for-tflite", model, "--bytecode", "-o", written])
        _run([tools / "tosa-opt", written, f"--tosa-serialize=tosa-flatbuffer-filename={made}", "-o", os.devnull])
        content = made.read_bytes()

    def run(feeds: Tensors) -> Tensors:
        outputs, status = reference.run(content, list(feeds.values()))
        if status != reference.GraphStatus.TOSA_VALID:
            raise RuntimeError(f"the reference model says {status}")
        return {str(place): output for place, output in enumerate(outputs)}

    return run


def graph(model: Path, entry: Path) -> Callable[[Tensors], Tensors]:
    """By the runtime's own backend, on one thread."""
    from sensorium.backends import open_graph
    from sensorium.bundle import GraphEntry

    return open_graph(GraphEntry.model_validate_json(entry.read_bytes()), model.read_bytes(), threads=1).run


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"{command[0]} ended with {done.returncode}"]
        raise RuntimeError(told[0].rpartition("error: ")[2])


def main(arguments: list[str]) -> None:
    """See the module."""
    command, model = arguments[0], Path(arguments[1])
    if command == "compile-qnn":
        from sensorium.backends.qnn import session

        session(model.name, model.read_bytes(), json.loads(Path(arguments[3]).read_text()), 1, Path(arguments[2]))
    elif command == "graph":
        serve(lambda: graph(model, Path(arguments[2])))
    else:
        serve(lambda: {"qnn": qnn, "tosa": tosa}[command](model))


if __name__ == "__main__":
    main(sys.argv[1:])
