"""Text: lines typed on standard input, or those of a file."""

from collections import deque
from pathlib import Path

from sensorium.clock import Clock
from sensorium.samples import Line
from sensorium.source import SourceInfo
from sensorium_devices.lines import DASH, STDIN, LineReader

BLOCK = 4096  # what a terminal hands over at once
LONGEST_LINE = 8_192  # [characters]: ten pages' paragraph; more is no question, and would fill the memory


class TextInput:
    """A source of lines; blank ones are left out, longer ones than 8,192 characters are cut into several.

    ``captured_ns`` is when the line's end was read. Standard input (``-``) is never closed, only left.
    """

    def __init__(self, uri: str, clock: Clock, stdin: int = STDIN) -> None:
        """``stdin``: the descriptor that ``-`` stands for."""
        self._uri, self._clock = uri, clock
        self._reader = LineReader("text", uri, BLOCK, LONGEST_LINE, stdin)
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
        self._reset()
        self._reader.open()
        return SourceInfo("typed lines" if self._uri == DASH else f"lines of {Path(self._uri).name}", period_ns=0)

    def read(self) -> Line | None:
        """The next line; None at the end and once closed."""
        while not self._lines:
            read = self._reader.read()
            if read is None:
                return None
            self._captured_ns = self._clock.now_ns()
            self._lines.extend(line for text in read if (line := text.strip()))
        self._seq += 1
        return Line(self._captured_ns, self._seq - 1, self._lines.popleft())

    def close(self) -> None:
        """Leave it; a ``read`` under way returns None."""
        self._reader.close()

    def _reset(self) -> None:
        self._lines: deque[str] = deque()
        self._captured_ns = 0
        self._seq = 0
