"""Recorded sessions of any sensor, ``LABEL/SESSION.csv``: a header of channels, then readings; group = session."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sensorium.inputs import InputSpec, ReadingsInput, prepare_readings
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.folders import labelled_folders
from sensorium_compile.data.readers.options import LabelledOptions, Options
from sensorium_compile.data.readers.prepared import Loaded, pool_of
from sensorium_compile.errors import CompileError

SUFFIXES = (".csv",)


class CsvSessionOptions(LabelledOptions):
    """Which columns, and how a session is cut into windows."""

    columns: tuple[str, ...] = ()  # by the header's names; () for all
    stride: int = Field(default=0, ge=0)  # readings between two windows; 0: only the newest window
    skip: int = Field(default=0, ge=0)  # readings at the beginning that are left out: the sensor is still warming up
    every: int = Field(default=1, ge=1)  # one of so many readings is kept


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """Windows of all sessions, named ``LABEL/SESSION.csv@FIRST``; raises CompileError when the layout is not there."""
    chosen = options.parse(CsvSessionOptions)
    if not isinstance(spec, ReadingsInput):
        raise CompileError(f"reader csv_sessions reads readings; the model's input is of kind {spec.kind}")
    readings = spec
    _, found = labelled_folders(folder, chosen, labels, SUFFIXES, options.told)

    def load(i: int) -> Loaded:
        session = load_session(found[i].path, chosen.columns)[chosen.skip :: chosen.every]
        return windows(session, readings, chosen.stride)

    files = [(file.name, file.label, file.name) for file in found]
    return pool_of(files, readings, load, options.told, "sessions")


def load_session(path: Path, columns: Sequence[str] = ()) -> NDArray[np.float32]:
    """All readings of a session (n, channels); raises CompileError where it is no table of numbers."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = [name.strip() for name in file.readline().split(",")]
            table = np.loadtxt(file, np.float32, delimiter=",", ndmin=2)
    except (ValueError, OSError, UnicodeDecodeError) as err:
        raise CompileError(f"{path}: no table of numbers ({str(err).splitlines()[0]})") from err
    missing = [name for name in columns if name not in header]
    if missing or table.shape[1:] != (len(header),):
        raise CompileError(
            f"{path}: no column {', '.join(missing) or 'for each name'}; its header is {', '.join(header)}"
        )
    return table[:, [header.index(name) for name in columns]] if columns else table


def windows(session: NDArray[np.float32], spec: ReadingsInput, stride: int) -> Loaded:
    """The newest window, or one every ``stride`` readings."""
    if stride == 0 or len(session) <= spec.window:
        return [("", prepare_readings(session, spec))]
    ends = range(spec.window, len(session) + 1, stride)
    return [(f"@{end - spec.window}", prepare_readings(session[:end], spec)) for end in ends]
