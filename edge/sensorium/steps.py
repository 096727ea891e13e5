"""What goes into the core and what comes out of it.

The core is a deterministic function of its steps, each with the time at which it was taken. Threads produce the steps
of a live session and a recording keeps them, so that a replay makes the same decisions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorium.capture import SourceChanged
from sensorium.events import Event, Guess, Thing
from sensorium.evidence import Evidence
from sensorium.ladder import Readings
from sensorium.scene import Scene

# What an encoder found in one sample.


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """A voice was noticed; it began at ``at_ns``."""

    at_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class SpeechSoFar:
    """A voice goes on: all of this stretch until now, float32 (n,) at 16 kHz."""

    samples: NDArray[np.float32]
    started_ns: int
    at_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class SpeechPaused:
    """A voice fell silent: the whole stretch, float32 (n,) at 16 kHz."""

    samples: NDArray[np.float32]
    started_ns: int
    ended_ns: int


SpeechSign: TypeAlias = SpeechBegan | SpeechSoFar | SpeechPaused


@dataclass(slots=True)  # not frozen, which takes four times as long to make, and every sample makes one
class Finding:
    """What an encoder made of one sample. None means that it did not look this time. Nobody changes it."""

    modality: str
    captured_ns: int
    fault: str | None = None  # why the content is useless: dark, muted ...
    evidence: tuple[Evidence, ...] = ()  # one for each sense that looked
    things: tuple[Thing, ...] | None = None
    names: tuple[Guess, ...] | None = None
    sounds: tuple[Guess, ...] | None = None
    speech: tuple[SpeechSign, ...] = ()
    text: str | None = None
    failures: tuple[str, ...] = ()  # parts that failed on this sample
    variant: str = ""  # of the trained model, that looked


# Work that the core asks for and that runs beside it.


@dataclass(frozen=True, slots=True, eq=False)
class Recognise:
    """Turn speech into text; ``pause`` asks too whether the speaker has finished."""

    id: int
    samples: NDArray[np.float32]  # (n,) at 16 kHz
    pause: bool


@dataclass(frozen=True, slots=True)
class Recognised:
    """The text of a Recognise job, and the probability that the turn is over (None: not asked)."""

    text: str
    finished: float | None


@dataclass(frozen=True, slots=True)
class Respond:
    """Find an answer to a question."""

    id: int
    question: str
    scene: Scene
    asked_ns: int
    evidences: tuple[Evidence, ...] = ()  # at hand when it was asked, for a model that answers by itself
    reword: bool = True  # whether there is time to say the answer in other words


@dataclass(frozen=True, slots=True)
class Responded:
    """The answer of a Respond job."""

    text: str
    because: tuple[str, ...]
    reworded: str | None = None  # the same in other words, by a language model


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that raised: where and why."""

    where: str
    reason: str


Job: TypeAlias = Recognise | Respond
Result: TypeAlias = Recognised | Responded | Failed

# Steps: what the core takes in.


@dataclass(frozen=True, slots=True)
class Tick:
    """Time to make a percept, due at ``due_ns``; ``arrivals`` says when each modality's last sample came [ns]."""

    due_ns: int
    arrivals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """Time to judge health between ticks."""

    arrivals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A job has ended."""

    job_id: int
    result: Result


@dataclass(frozen=True, slots=True)
class Spoke:
    """The speaking of a reply has come this far."""

    reply_id: int
    phase: Literal["started", "finished", "stopped", "failed"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """How the machine is doing; how late ticks are and how often backends fail, the core knows itself."""

    readings: Readings


@dataclass(frozen=True, slots=True)
class Replaced:
    """A backend failed on a graph (``part/graph``), and another one executes it from now on."""

    graph: str
    backend: str
    previous: str
    cause: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether what is seen and heard may be kept from now on."""

    given: bool
    by: str


Step: TypeAlias = Tick | Check | SourceChanged | Finding | Done | Spoke | Measured | Replaced | Consent

# What the core wants done.


@dataclass(frozen=True, slots=True)
class Publish:
    """Tell whoever listens."""

    event: Event


@dataclass(frozen=True, slots=True)
class Start:
    """Run this job."""

    job: Job


@dataclass(frozen=True, slots=True)
class Speak:
    """Say this aloud."""

    reply_id: int
    text: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop speaking at once."""


Effect: TypeAlias = Publish | Start | Speak | Hush
