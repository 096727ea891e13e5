"""Readings of any other sensor: rows of numbers from a CSV file or standard input, at their own pace.

A row is one reading, its values separated by commas, semicolons or blanks. A first row that is no numbers is a header.
One that names its first column ``t``, ``time`` or ``timestamp`` (in seconds; ``time_ms``, ``t_us``, ``timestamp_ns`` in
those) has it pace the rows; otherwise they are ``period_ms`` apart. Rows that are no reading are skipped, counted and
told; an empty field is NaN, which is for the encoder to judge.
"""

import logging
import math
import re
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import Reading
from sensorium.source import SourceInfo
from sensorium_devices.lines import DASH, STDIN, LineReader

log = logging.getLogger(__name__)

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
        self._closed = threading.Event()
        self._reader = LineReader(modality, uri, BLOCK, LONGEST_ROW, stdin)
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
        self._reset()
        self._closed.clear()
        self._reader.open()
        if self._uri == DASH:
            return SourceInfo("readings on standard input", period_ns=0)
        if not self._next_row():
            self.close()
            raise SourceError(f"{self._reader.where}: no row of numbers in it ({self.bad_rows} rows are none)")
        period_ns = self._period_told_ns() or self._period_ns
        return SourceInfo(f"{self._width} values every {period_ns / NS_PER_MS:g} ms", period_ns)

    def read(self) -> Reading | None:
        """The next reading, when it is due; None at the end and once closed."""
        if not self._next_row():
            return None
        at_ns, values = self._rows.popleft()
        if self._uri == DASH:
            captured_ns = self._clock.now_ns()
        else:
            captured_ns = self._due_ns(at_ns)
            if self._closed.wait(max(0, captured_ns - self._clock.now_ns()) / NS_PER_S):
                return None
        self._seq += 1
        return Reading(captured_ns, self._seq - 1, values)

    def close(self) -> None:
        """Leave it; a ``read`` under way returns None."""
        self._closed.set()
        self._reader.close()

    def _reset(self) -> None:
        self._rows: deque[tuple[int | None, NDArray[np.float32]]] = deque()  # time in the file [ns], values
        self._unit_ns = 0  # of the time column; 0: there is none
        self._width = 0  # values of a reading; 0: none was seen
        self._lines = 0
        self._seq = 0
        self._last: tuple[int | None, int] | None = None  # the last row's time in the file, and when it was given
        self.bad_rows = 0

    def _next_row(self) -> bool:
        """Have a row ready; False at the end and once closed."""
        while not self._rows:
            read = self._reader.read()
            if read is None:
                return False
            for line in read:
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
            time_ns = values[0] * self._unit_ns
            at_ns = round(time_ns) if math.isfinite(time_ns) else None
            values = values[1:]
        if None in numbers or not values or (self._width and len(values) != self._width):
            self._skip(line)
            return
        self._width = len(values)
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is for the encoder to judge, too
            self._rows.append((at_ns, np.array(values, np.float32)))

    def _skip(self, line: str) -> None:
        self.bad_rows += 1
        if self.bad_rows in TOLD_AT:
            wanted = f"{self._width} numbers" if self._width else "numbers"
            told = f"row {self._lines} is no reading ({wanted} wanted): {line[:60]!r}"
            log.warning("%s: %s; %d skipped so far", self._reader.where, told, self.bad_rows)

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
