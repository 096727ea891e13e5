"""The peers that are measured beside ours: each in an environment of its own, run as a process by a script of ours.

``scripts/compare-peers`` makes the environments; ``scripts/peers/peer_NAME.py`` runs one probe and writes JSON.
"""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.errors import first_fault

VARIABLE = "PEERS"  # as scripts/compare-peers has it
SCRIPTS = Path(__file__).parents[3] / "scripts" / "peers"  # in a checkout; a wheel has none
HOW = "scripts/compare-peers of a checkout installs the peers"
START_S = 300.0  # an import of a gigabyte on a busy machine


@dataclass(frozen=True, slots=True)
class Peer:
    """What is measured of a peer."""

    title: str
    probes: tuple[str, ...]
    imports: str  # what a program that uses it imports at least


PEERS = {
    "mediapipe": Peer("MediaPipe", ("overhead", "overload", "absent"), "import mediapipe"),
    "pipecat": Peer("Pipecat", ("overhead", "overload"), "from pipecat.pipeline.worker import PipelineWorker"),
    "roboflow": Peer(
        "Roboflow inference", ("overload", "stall", "recovery"), "from inference import InferencePipeline"
    ),
    "gstreamer": Peer(
        "GStreamer",
        ("overhead", "overload", "absent"),
        "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst; Gst.init(None)",
    ),
    "ros": Peer("ROS ApproximateTime", ("absent",), "import message_filters"),
}


class PeerError(Exception):
    """Why a peer has no figures."""


class Result(BaseModel):
    """What a probe measured; also what ours is told as."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Passes(Result):
    """How long each frame took through five stages."""

    us: list[float] = Field(min_length=1)


class Load(Result):
    """What became of the frames that were more than a stage could take."""

    given: int
    done: int
    dropped: int | None  # None: it does not tell
    waiting: int
    ages_ms: list[float] = Field(min_length=1)  # of those that are done, and of those that wait: so far
    rss_growth_mb: float


class Answers(Result):
    """How many ticks, or frames of the sense that is there, were answered while another was absent."""

    ticks: int = Field(ge=1)
    answered: int


class Times(Result):
    """How long something took each time; nothing where it did not happen within ``watched_s``."""

    ms: list[float]
    watched_s: float


class _Told(BaseModel):
    version: str
    result: dict[str, object] | None = None
    error: str = ""


Options = dict[str, int | float]
R = TypeVar("R", bound=Result)


def environments() -> Path:
    """``$PEERS``, else ``peers`` in the user's cache folder for sensorium."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("sensorium", appauthor=False) / "peers"


def interpreter(name: str, folder: Path) -> Path:
    """The Python of a peer's environment; raises PeerError, with what its installation said, where there is none."""
    python = folder / name / "bin" / "python"
    if (folder / name / "ready").exists() and python.exists():
        return python
    log = folder / f"{name}.log"
    said = log.read_text(encoding="utf-8").strip().splitlines() if log.is_file() else []
    raise PeerError(f"cannot be installed: {said[-1]}" if said else f"not installed; {HOW}")


def run_peer(
    name: str, probe: str, options: Options, kind: type[R], seconds: float = 0.0, folder: Path | None = None
) -> tuple[R, str]:
    """The result of one probe that measures for about ``seconds``, and the peer's version.

    Raises PeerError with the reason where it cannot be run, fails, or writes what it should not.
    """
    folder = folder or environments()
    python, script = interpreter(name, folder), SCRIPTS / f"peer_{name}.py"
    if not script.is_file():
        raise PeerError(f"no {script.name} here; {HOW}")
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "told.json"
        command = [str(python), str(script), probe, json.dumps(options), str(out)]
        limit_s = START_S + 2 * seconds
        try:
            done = subprocess.run(command, env=bare, cwd=place, capture_output=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired as err:
            raise PeerError(f"did not end within {limit_s:.0f} s") from err
        if not out.is_file():
            last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise PeerError(last)
        return parse(out.read_text(encoding="utf-8"), kind)


def parse(text: str, kind: type[R]) -> tuple[R, str]:
    """What a peer's script wrote: the result and the version; raises PeerError where it holds none."""
    try:
        told = _Told.model_validate_json(text)
        if told.result is None:
            raise PeerError(told.error or "it told neither a result nor an error")
        return kind.model_validate(told.result), told.version
    except ValidationError as err:
        raise PeerError(f"its script wrote {first_fault(err, 'no JSON')}") from err
