"""Sessions of an array of gas sensors, ``SUBSTANCE/SESSION.csv``: a reading a row, the channels' names in the header.

Made for SmellNet (https://arxiv.org/abs/2506.00239), whose parts are called offline_training and offline_testing.
Temperature, pressure, humidity and altitude are left out unless the recipe asks for them: within a data set they tell
the day of the recording, and so the substance, without any smell.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sensorium.inputs import InputSpec, ReadingsInput
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers import Options
from sensorium_compile.data.readers.csv_sessions import load_session, windows
from sensorium_compile.data.readers.prepared import Loaded, pool_of
from sensorium_compile.errors import CompileError

NAME = "gas_sessions"


class GasOptions(BaseModel):
    """Which channels, and how a session is cut into windows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "smellnet"
    channels: tuple[str, ...] = ("NO2", "C2H5OH", "VOC", "CO", "Alcohol", "LPG")
    stride: int = Field(default=32, ge=0)  # readings between two windows; 0: only the newest window


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """Windows of every session; raises CompileError when the layout is not there.

    The group is the session's place among those of its substance (``session0``, ``session1``, …), so that a split keeps
    the same share of every substance.
    """
    chosen = options.parse(GasOptions)
    if not isinstance(spec, ReadingsInput):
        raise CompileError(f"reader {NAME} reads readings; the model's input is of kind {spec.kind}")
    if spec.channels != len(chosen.channels):
        raise CompileError(f"the model's input has {spec.channels} channels, the reader {', '.join(chosen.channels)}")
    readings = spec
    found = _sessions(folder, chosen.path, labels)

    def load(i: int) -> Loaded:
        return windows(load_session(found[i][0], chosen.channels), readings, chosen.stride)

    return pool_of(
        [(f"{path.parent.name}/{path.name}", label, group) for path, label, group in found],
        readings,
        load,
        options.told,
        "sessions",
    )


def _sessions(data: Path, path: str, labels: Sequence[str]) -> list[tuple[Path, int, str]]:
    """File, label (-1 without ``labels``) and group of every session of the substances in ``labels``."""
    rows = {label: i for i, label in enumerate(labels)}
    seen: dict[str, int] = defaultdict(int)
    made = []
    for file in sorted(_root(data, path).glob("*/*.csv")):
        substance = file.parent.name
        if not rows or substance in rows:
            made.append((file, rows.get(substance, -1), f"session{seen[substance]}"))
            seen[substance] += 1
    if not made:
        raise CompileError(f"{data}: no session of {', '.join(labels[:4])}, …; folders are named by substance")
    return made


def _root(data: Path, path: str) -> Path:
    """The folder of the substances: ``data/path``, ``data``, or a part inside of either."""
    if not data.is_dir():
        raise CompileError(f"no data folder {data}; give the folder that holds {path} by --data")
    for folder in (data / path, data):
        if folder.is_dir():
            parts = sorted(p for p in folder.iterdir() if p.is_dir())
            for candidate in (folder, *parts):
                if any(candidate.glob("*/*.csv")):
                    return candidate
    raise CompileError(
        f"{data} has no {path}: a folder laid out as SUBSTANCE/SESSION.csv was looked for; correct --data"
    )
