"""What is allowed of a reader: a value or one of Sensorium's errors, without a blow-up of memory."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sensorium.errors import SensoriumError

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of Linux; elsewhere memory is not judged
RESET_PEAK = "5"  # man 5 proc: sets the peak to what is used now

Reader = Callable[[bytes, Path], None]  # the input, and an empty folder to lay it in


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of something from outside. ``read`` returns where the input was understood."""

    read: Reader
    most_mb: int = 128  # memory that any input may take; a few megabytes of input are the most that is tried
    kind: str = "bytes"  # how inputs are made up: bytes, json, toml, lines


def check(target: Target, data: bytes) -> SensoriumError | None:
    """Read ``data``; the error that it was refused with, None where it was understood.

    Raises what the reader raised where that is no SensoriumError, AssertionError where it took too much memory.
    """
    error: SensoriumError | None = None
    with tempfile.TemporaryDirectory() as folder:
        before_mb = _peak_mb(reset=True)
        try:
            target.read(data, Path(folder))
        except SensoriumError as err:
            error = err
        grown_mb = _peak_mb() - before_mb
    assert grown_mb <= target.most_mb, f"{len(data)} bytes took {grown_mb:.0f} MB of memory, allowed {target.most_mb}"
    if error is not None:
        str(error).encode()  # it can be printed
    return error


def _peak_mb(*, reset: bool = False) -> float:
    """The most memory that this process used since the last reset [MB]."""
    if sys.platform != "linux":
        return 0.0
    if reset:
        RESET.write_text(RESET_PEAK)
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000
