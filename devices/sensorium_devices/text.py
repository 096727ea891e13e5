"""Text: lines typed on standard input, or those of a file."""

import codecs
import os
import threading
from collections import deque
from pathlib import Path

from sensorium.clock import Clock
from sensorium.errors import SourceError
from sensorium.samples import Line
from sensorium.source import SourceInfo
from sensorium_devices.descriptor import WakeableReader

STDIN = 0
BLOCK = 4096  # what a terminal hands over at once
LONGEST_LINE = 8_192  # [characters]: ten pages' paragraph; more is no question, and would fill the memory


class TextInput:
    """A source of lines; blank ones are left out, longer ones than 8,192 characters are cut into several.

    ``captured_ns`` is when the line's end was read. Standard input (``-``) is never closed, only left.
    """

    def __init__(self, uri: str, clock: Clock, stdin: int = STDIN) -> None:
        """``stdin``: the descriptor that ``-`` stands for."""
        self._uri = uri
        self._clock = clock
        self._stdin = stdin
        self._lock = threading.Lock()
        self._reader: WakeableReader | None = None
        self._file: int | None = None
        self._reset()

    @property
    def modality(self) -> str:
        """``text``."""
        return "text"

    @property
    def name(self) -> str:
        """As the user wrote it."""
        return self._uri

    @property
    def finite(self) -> bool:
        """Both end: a file by itself, standard input when it is closed (Ctrl-D)."""
        return True

    def open(self) -> SourceInfo:
        """Open it; raises SourceError when there is no such file or no standard input."""
        self.close()
        self._reset()
        with self._lock:
            try:
                self._file = None if self._uri == "-" else _open(self._uri)
                self._reader = WakeableReader(self._stdin if self._file is None else self._file)
            except OSError as err:
                what = "standard input" if self._uri == "-" else self._uri
                raise SourceError(f"text from {what}: {err.strerror}") from err
        return SourceInfo("typed lines" if self._uri == "-" else f"lines of {Path(self._uri).name}", period_ns=0)

    def read(self) -> Line | None:
        """The next line; None at the end and once closed."""
        while not self._lines:
            reader = self._reader
            if reader is None or self._ended or not self._fill(reader):
                return None
        self._seq += 1
        return Line(self._captured_ns, self._seq - 1, self._lines.popleft())

    def close(self) -> None:
        """Leave it; a ``read`` under way returns None."""
        with self._lock:
            reader, self._reader = self._reader, None
            file, self._file = self._file, None
            if reader is not None:
                reader.close()
            if file is not None:
                os.close(file)

    def _reset(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lines: deque[str] = deque()
        self._rest = ""
        self._captured_ns = 0
        self._seq = 0
        self._ended = False

    def _fill(self, reader: WakeableReader) -> bool:
        """Take in what there is; False once closed."""
        try:
            data = reader.read(BLOCK)
        except OSError as err:
            raise SourceError(f"text from {self._uri}: {err.strerror}") from err
        if data is None:
            return False
        self._captured_ns = self._clock.now_ns()
        self._ended = not data
        *whole, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        if self._ended or len(self._rest) >= LONGEST_LINE:
            whole.append(self._rest)
            self._rest = ""
        self._lines.extend(line for text in whole if (line := text.strip()))
        return True


def _open(path: str) -> int:
    if Path(path).is_dir():
        raise IsADirectoryError(21, "Is a directory")
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
