"""A graph that another environment executes: one process for each, asked through pipes."""

import contextlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

import numpy as np

from sensorium.bundle import TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array
from sensorium_compile.targets.programs import program as protocol


class EmulatedGraph:
    """Runs ``command``, which answers feeds as ``programs/program.py`` does. It ends when nobody holds this."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> None:
        self.inputs, self.outputs, self._name = inputs, outputs, name
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
        )
        self._answer()  # it is open

    @classmethod
    def of_bytes(
        cls,
        name: str,
        content: bytes,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> Self:
        """``command`` is given a file of ``content``, which it reads while it opens."""
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model"
            path.write_bytes(content)
            return cls(name, [*command, path], environment, inputs, outputs)

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            with contextlib.suppress(OSError):
                self._pipe(process.stdin).close()
            process.kill()
            process.wait()
            self._pipe(process.stdout).close()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; raises BackendError."""
        try:
            protocol.send(self._pipe(self._process.stdin), feeds)
        except OSError as err:
            raise BackendError(f"{self._name}: its emulator ended") from err
        return self._answer()

    def _answer(self) -> dict[str, Array]:
        made = protocol.receive(self._pipe(self._process.stdout))
        if made is None:
            raise BackendError(f"{self._name}: its emulator ended with {self._process.wait()}")
        if protocol.ERROR in made:
            raise BackendError(f"{self._name}: its emulator failed: {made[protocol.ERROR]}")
        return {name: np.asarray(value) for name, value in made.items()}

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> BinaryIO:
        assert pipe is not None
        return cast(BinaryIO, pipe)
