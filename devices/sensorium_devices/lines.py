"""Lines of a file or of standard input, as they come; a read that waits can be ended from another thread."""

import codecs
import os
import threading
from pathlib import Path

from sensorium.errors import SourceError
from sensorium_devices.descriptor import WakeableReader

STDIN = 0
DASH = "-"  # stands for standard input, which is never closed, only left


class LineReader:
    """What ``what`` (``text``, a sensor's name) is read from, in messages ``WHAT from WHERE``."""

    def __init__(self, what: str, uri: str, block: int, longest: int, stdin: int = STDIN) -> None:
        """``block`` bytes at most are read at once; a line longer than ``longest`` characters is cut into several."""
        self.where = f"{what} from {'standard input' if uri == DASH else uri}"
        self._uri, self._block, self._longest, self._stdin = uri, block, longest, stdin
        self._lock = threading.Lock()
        self._reader: WakeableReader | None = None
        self._file: int | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._ended = False

    def open(self) -> None:
        """Open it, from the beginning; raises SourceError when there is no such file or no standard input."""
        self.close()
        self._decoder.reset()
        self._rest, self._ended = "", False
        with self._lock:
            try:
                self._file = None if self._uri == DASH else _open(self._uri)
                self._reader = WakeableReader(self._stdin if self._file is None else self._file)
            except OSError as err:
                raise SourceError(f"{self.where}: {err.strerror}") from err

    def read(self) -> list[str] | None:
        """The lines that have come since, none or more; None at the end and once closed. Raises SourceError."""
        reader = self._reader
        if reader is None or self._ended:
            return None
        try:
            data = reader.read(self._block)
        except OSError as err:
            raise SourceError(f"{self.where}: {err.strerror}") from err
        if data is None:
            return None
        self._ended = not data
        *whole, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        if self._ended or len(self._rest) >= self._longest:
            whole.append(self._rest)
            self._rest = ""
        return whole

    def close(self) -> None:
        """Leave it; a ``read`` under way gives None."""
        with self._lock:
            reader, self._reader = self._reader, None
            file, self._file = self._file, None
            if reader is not None:
                reader.close()
            if file is not None:
                os.close(file)


def _open(path: str) -> int:
    if Path(path).is_dir():
        raise IsADirectoryError(21, "Is a directory")
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
