"""Readings of any other sensor: rows of numbers from a CSV file or standard input, at their own pace.

A row is one reading, its values separated by commas, semicolons or blanks. A first row that is no numbers is a header.
One that names its first column ``t``, ``time`` or ``timestamp`` (in seconds; ``time_ms``, ``t_us``, ``timestamp_ns`` in
those) has it pace the rows; otherwise they are ``period_ms`` apart. Rows that are no reading are skipped, counted and
told; an empty field is NaN, which is for the encoder to judge.
"""

import codecs
import logging
import math
import os
import re
import threading
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import Reading
from sensorium.source import SourceInfo
from sensorium_devices.descriptor import WakeableReader

log = logging.getLogger(__name__)

STDIN = 0
BLOCK = 65536
LONGEST_ROW = 262_144  # [characters]: 4,096 channels of numbers; a longer line is no reading and would fill the memory
PERIOD_MS = 100.0  # of rows without a time, where nothing else is known: ten a second
LONGEST_WAIT_NS = 5 * NS_PER_S  # between two rows: a longer pause in a file's times is cut to it
TOLD_AT = (1, 10, 100, 1000)  # how many bad rows there are is logged at these numbers
_TIMES = {"": NS_PER_S, "_s": NS_PER_S, "_ms": NS_PER_MS, "_us": 1000, "_ns": 1}  # of a time column, by its ending
_TIME_NAME = re.compile(r"^(?:t|time|timestamp)(_s|_ms|_us|_ns)?$")


class ReadingsInput:
    """A source of readings. Standard input (``-``) comes at its own pace and is never closed, only left."""

    def __init__(self, modality: str, uri: str, clock: Clock, period_ms: float = PERIOD_MS, stdin: int = STDIN) -> None:
        """``period_ms``: between two rows that have no time of their own; ``stdin``: what ``-`` stands for."""
        self._modality, self._uri, self._clock = modality, uri, clock
        self._period_ns = round(period_ms * NS_PER_MS)
        self._stdin = stdin
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._reader: WakeableReader | None = None
        self._file: int | None = None
        self.bad_rows = 0
        self._reset()

    @property
    def modality(self) -> str:
        """As the user named it."""
        return self._modality

    @property
    def name(self) -> str:
        """As the user wrote it."""
        return self._uri

    @property
    def finite(self) -> bool:
        """Both end: a file by itself, standard input when it is closed."""
        return True

    def open(self) -> SourceInfo:
        """Open it; raises SourceError when there is no such file, or nothing in it is a reading."""
        self.close()
        self._reset()
        with self._lock:
            self._closed.clear()
            try:
                self._file = None if self._uri == "-" else _open(self._uri)
                self._reader = WakeableReader(self._stdin if self._file is None else self._file)
            except OSError as err:
                raise SourceError(f"{self._where}: {err.strerror}") from err
        if self._uri == "-":
            return SourceInfo("readings on standard input", period_ns=0)
        if not self._next_row():
            self.close()
            raise SourceError(f"{self._where}: no row of numbers in it ({self.bad_rows} rows are none)")
        period_ns = self._period_told_ns() or self._period_ns
        return SourceInfo(f"{self._width} values every {period_ns / NS_PER_MS:g} ms", period_ns)

    def read(self) -> Reading | None:
        """The next reading, when it is due; None at the end and once closed."""
        if not self._next_row():
            return None
        at_ns, values = self._rows.popleft()
        if self._uri == "-":
            captured_ns = self._clock.now_ns()
        else:
            captured_ns = self._due_ns(at_ns)
            if self._closed.wait(max(0, captured_ns - self._clock.now_ns()) / NS_PER_S):
                return None
        self._seq += 1
        return Reading(captured_ns, self._seq - 1, values)

    def close(self) -> None:
        """Leave it; a ``read`` under way returns None."""
        with self._lock:
            self._closed.set()
            reader, self._reader = self._reader, None
            file, self._file = self._file, None
            if reader is not None:
                reader.close()
            if file is not None:
                os.close(file)

    def _reset(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._rows: deque[tuple[int | None, NDArray[np.float32]]] = deque()  # time in the file [ns], values
        self._unit_ns = 0  # of the time column; 0: there is none
        self._width = 0  # values of a reading; 0: none was seen
        self._lines = 0
        self._ended = False
        self._seq = 0
        self._last: tuple[int | None, int] | None = None  # the last row's time in the file, and when it was given
        self.bad_rows = 0

    @property
    def _where(self) -> str:
        return f"{self._modality} from {'standard input' if self._uri == '-' else self._uri}"

    def _next_row(self) -> bool:
        """Have a row ready; False at the end and once closed."""
        while not self._rows:
            reader = self._reader
            if reader is None or self._ended or not self._fill(reader):
                return False
        return True

    def _fill(self, reader: WakeableReader) -> bool:
        try:
            data = reader.read(BLOCK)
        except OSError as err:
            raise SourceError(f"{self._where}: {err.strerror}") from err
        if data is None:
            return False
        self._ended = not data
        *whole, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        if self._ended or len(self._rest) >= LONGEST_ROW:
            whole.append(self._rest)
            self._rest = ""
        for line in whole:
            self._take(line.strip().lstrip("\ufeff"))
        return True

    def _take(self, line: str) -> None:
        if not line or line.startswith("#"):
            return
        self._lines += 1
        fields = [field.strip() for field in re.split(r"[,;]" if re.search(r"[,;]", line) else r"\s+", line)]
        numbers = [_number(field) for field in fields]
        if self._lines == 1 and all(number is None for number in numbers):
            told = _TIME_NAME.match(fields[0].strip('"').lower())
            self._unit_ns = _TIMES[told[1] or ""] if told else 0
            return
        values = [number for number in numbers if number is not None]
        at_ns: int | None = None
        if self._unit_ns and values:
            at_ns = round(values[0] * self._unit_ns) if math.isfinite(values[0]) else None
            values = values[1:]
        if None in numbers or not values or (self._width and len(values) != self._width):
            self._skip(line)
            return
        self._width = len(values)
        self._rows.append((at_ns, np.array(values, np.float32)))

    def _skip(self, line: str) -> None:
        self.bad_rows += 1
        if self.bad_rows in TOLD_AT:
            wanted = f"{self._width} numbers" if self._width else "numbers"
            told = f"row {self._lines} is no reading ({wanted} wanted): {line[:60]!r}"
            log.warning("%s: %s; %d skipped so far", self._where, told, self.bad_rows)

    def _due_ns(self, at_ns: int | None) -> int:
        """When this row is to be given, on the session's clock."""
        if self._last is None:
            given_ns = self._clock.now_ns()
        else:
            before_ns, before_given_ns = self._last
            step_ns = self._period_ns if at_ns is None or before_ns is None else at_ns - before_ns
            given_ns = before_given_ns + min(max(step_ns, 0), LONGEST_WAIT_NS)
        self._last = (at_ns, given_ns)
        return given_ns

    def _period_told_ns(self) -> int:
        """The usual time between the rows that are there; 0 where they have none."""
        times = [at_ns for at_ns, _ in self._rows if at_ns is not None]
        steps = np.diff(times)
        return int(np.median(steps)) if len(steps) and np.median(steps) > 0 else 0


def _number(text: str) -> float | None:
    """A number, NaN where the field is empty; None where it is neither."""
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return None


def _open(path: str) -> int:
    if Path(path).is_dir():
        raise IsADirectoryError(21, "Is a directory")
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
