"""A graph that another environment executes: processes asked through pipes, whose answers are kept."""

import contextlib
import hashlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, BinaryIO, Self, cast

import numpy as np

from sensorium.bundle import TensorSpec
from sensorium.errors import BackendError
from sensorium.samples import Array
from sensorium_compile.stages import cache_folder, replace_file, source_digest
from sensorium_compile.targets.programs import program as protocol
from sensorium_compile.verify.opened import fed_digest


class Emulation:
    """What an emulator answers: seconds of work, so each answer is kept in the cache by graph, tool and feeds.

    Threads may call it at once; each is answered by a process of its own, which is started when it is needed.
    """

    def __init__(
        self,
        name: str,
        content: bytes,
        command: Sequence[str | Path],
        tool: Sequence[str],
        variables: Mapping[str, str],
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
    ) -> None:
        """See EmulatedGraph; ``tool`` is all that an answer depends on beside the graph: names and versions."""
        self.inputs, self.outputs = inputs, outputs
        self._open = partial(EmulatedGraph.of_bytes, name, content, command, variables, inputs, outputs)
        known = "\n".join([*tool, source_digest(Path(protocol.__file__))])
        key = hashlib.sha256(content + known.encode()).hexdigest()
        self._folder = cache_folder() / "emulated" / key[:24]
        self._idle: SimpleQueue[EmulatedGraph] = SimpleQueue()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; raises BackendError."""
        kept = self._folder / f"{fed_digest(feeds).hex()}.npz"
        if not kept.is_file():
            replace_file(kept, protocol.pack(self._asked(feeds)))
        return protocol.unpack(kept.read_bytes())

    def _asked(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        try:
            graph = self._idle.get_nowait()
        except Empty:
            graph = self._open()
        made = graph.run(feeds)
        self._idle.put(graph)  # one that failed is not asked again
        return made


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
