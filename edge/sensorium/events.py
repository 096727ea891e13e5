"""What a session tells: typed events, each one JSON line.

Times are nanoseconds on the session's clock (``at_ns``) and milliseconds where a person reads them (``_ms``).
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from sensorium.health import State


@dataclass(frozen=True, slots=True)
class Sensed:
    """How one modality stood when a percept was made."""

    state: State
    reason: str
    age_ms: float | None  # of its newest evidence; None before the first
    evidence: bool  # whether its evidence counted in this percept


@dataclass(frozen=True, slots=True)
class Candidate:
    """One text that was looked for."""

    text: str
    probability: float
    contributions: dict[str, float]  # modality -> log-odds it added; they and the prior add up to the score


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that the camera sees."""

    label: str
    score: float
    box: tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the picture
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """A name with its probability: of a whole picture, or of a sound."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Percept:
    """What one tick yields, from whatever evidence was at hand."""

    kind: ClassVar[str] = "percept"
    at_ns: int
    seq: int
    senses: dict[str, Sensed]
    candidates: tuple[Candidate, ...]  # most probable first
    things: tuple[Thing, ...]
    scene: tuple[Guess, ...]  # names for the whole picture, best first
    sounds: tuple[Guess, ...]
    rung: str
    latency_ms: float  # from when the tick was due to when the percept was made
    backends: dict[str, str] = field(default_factory=dict)  # what executes a part, and a graph of it that was replaced


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the user said or typed; while speaking, partial ones come first."""

    kind: ClassVar[str] = "utterance"
    at_ns: int
    text: str
    modality: str  # audio or text
    final: bool
    started_ns: int
    ended_ns: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What the machine answers; spoken where there is a speaker."""

    kind: ClassVar[str] = "reply"
    at_ns: int
    id: int
    text: str
    question: str
    because: tuple[str, ...]  # the modalities that the answer rests on
    latency_ms: float  # from the end of the question to this text


@dataclass(frozen=True, slots=True)
class Speech:
    """How the speaking of a reply goes."""

    kind: ClassVar[str] = "speech"
    at_ns: int
    reply_id: int
    phase: Literal["started", "finished", "stopped", "failed"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A modality's health changed."""

    kind: ClassVar[str] = "health"
    at_ns: int
    modality: str
    state: State
    reason: str
    since_ns: int  # the last sample's time for stale and absent (0: there was none), else its beginning


@dataclass(frozen=True, slots=True)
class RungChanged:
    """The session gave something up for time, or took it back."""

    kind: ClassVar[str] = "rung"
    at_ns: int
    rung: str
    previous: str
    cause: str


@dataclass(frozen=True, slots=True)
class BackendChanged:
    """A backend failed on a graph and was replaced by the next one that works."""

    kind: ClassVar[str] = "backend"
    at_ns: int
    graph: str  # part/graph
    backend: str
    previous: str
    cause: str


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """Whether what is seen and heard may be kept; without consent a recording pauses."""

    kind: ClassVar[str] = "consent"
    at_ns: int
    given: bool
    by: str  # who or what said so


@dataclass(frozen=True, slots=True)
class Fault:
    """A part failed and was left out; the session goes on without it."""

    kind: ClassVar[str] = "fault"
    at_ns: int
    where: str
    reason: str


Event: TypeAlias = (
    Percept | Utterance | Reply | Speech | HealthChanged | RungChanged | BackendChanged | ConsentChanged | Fault
)


@dataclass(frozen=True, slots=True)
class _Rounding:
    """Digits after the point, so that a line is short and the same on every machine."""

    default: int = 4
    by_name: dict[str, int] = field(default_factory=lambda: {"age_ms": 1, "latency_ms": 1})


_ROUNDING = _Rounding()


def to_json(event: Event) -> str:
    """The event as one line of JSON with its ``event`` kind first and keys in declared order.

    A number that is not finite is null, for JSON has no word for it; half a surrogate pair, which is no text, is ``?``.
    """
    line = json.dumps({"event": event.kind, **_plain(dataclasses.asdict(event))}, ensure_ascii=False)
    return line.encode(errors="replace").decode()


def _plain(value: Any, name: str = "") -> Any:
    if isinstance(value, float):
        return round(value, _ROUNDING.by_name.get(name, _ROUNDING.default)) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(inner, key) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, name) for inner in value]
    return value
