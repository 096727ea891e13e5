"""A robot's perception messages: detections with bearings, heard commands, whether it is blind or deaf."""

import json
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sensorium.clock import NS_PER_S
from sensorium.events import Event, HealthChanged, Percept, Utterance
from sensorium.health import State
from sensorium.policy import Kind
from sensorium_devices.recording import Recorder

HEARD = "/perception/heard"
LOST = {"vision": "blind", "audio": "deaf"}  # what it is without each sense
HEARTBEAT_NS = NS_PER_S  # a controller that hears nothing for longer must take us for dead
FIELD_OF_VIEW_DEG = 60.0  # a webcam's usual horizontal angle
# The first command whose words are in what was said; stopping goes first.
COMMANDS = (
    ("stop", r"stop|halt|freeze|don't move"),
    ("come", r"come (here|to me|over)"),
    ("follow", r"follow me"),
    ("turn left", r"turn left|go left"),
    ("turn right", r"turn right|go right"),
    ("back", r"go back|back up|backwards"),
    ("go", r"go ahead|go on|go forward|move forward|start"),
)
DENIED = re.compile(r"\b(don't|do not|never|not)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One message on a topic."""

    topic: str
    at_ns: int
    data: dict[str, Any]

    @property
    def kind(self) -> Kind:
        """What it is to a privacy policy."""
        return "text" if self.topic.endswith(HEARD) else "events"

    def to_json(self) -> str:
        """The message as one JSON line."""
        return json.dumps({"topic": self.topic, "at_ns": self.at_ns, **self.data}, ensure_ascii=False)


def command(text: str) -> str | None:
    """The command in what was said; a denied one counts only where it stops (``don't move``)."""
    for name, words in COMMANDS:
        if re.search(rf"\b({words})\b", text, re.IGNORECASE) and (name == "stop" or not DENIED.search(text)):
            return name
    return None


def bearing_deg(box: tuple[float, float, float, float], field_of_view_deg: float) -> float:
    """Where the middle of a box lies [degrees], 0 ahead, positive to the left as in ROS REP 103."""
    offset = 1.0 - (box[0] + box[2])  # of half the picture's width
    return math.degrees(math.atan(offset * math.tan(math.radians(field_of_view_deg / 2))))


@dataclass(slots=True)
class Rules:
    """From events to messages."""

    field_of_view_deg: float = FIELD_OF_VIEW_DEG
    senses: tuple[str, ...] = tuple(LOST)  # without which it is not safe
    namespace: str = ""  # before every topic, as in ROS: /camera1
    _why: dict[str, str] = field(init=False)
    _told_ns: int | None = None  # when the safety state was last told
    _obeyed: str | None = None  # a stop that a partial utterance has given already

    def __post_init__(self) -> None:
        self._why = dict.fromkeys(self.senses, "not connected yet")

    def take(self, event: Event) -> list[Message]:
        """The messages that this event leads to."""
        return [replace(message, topic=f"{self.namespace}{message.topic}") for message in self._messages(event)]

    def _messages(self, event: Event) -> list[Message]:
        if isinstance(event, HealthChanged):
            return self._judge(event)
        if isinstance(event, Utterance):
            return self._hear(event)
        if isinstance(event, Percept):
            return [*self._see(event), *self._beat(event.at_ns)]
        return []

    def _judge(self, change: HealthChanged) -> list[Message]:
        if change.modality not in self.senses:
            return []
        if change.state is State.LIVE:
            self._why.pop(change.modality, None)
        else:
            self._why[change.modality] = change.reason or change.state.value
        return [self._safety(change.at_ns)]

    def _safety(self, at_ns: int) -> Message:
        self._told_ns = at_ns
        lost = [word for modality, word in LOST.items() if modality in self._why]
        data = {"state": " and ".join(lost) or "nominal", "reasons": dict(self._why)}
        return Message("/safety/state", at_ns, data)

    def _beat(self, at_ns: int) -> list[Message]:
        due = self._told_ns is None or at_ns - self._told_ns >= HEARTBEAT_NS
        return [self._safety(at_ns)] if due else []

    def _see(self, percept: Percept) -> list[Message]:
        vision = percept.senses.get("vision")
        if vision is None or not vision.evidence:
            return []  # old detections must not look like new ones
        detections = [
            {
                "label": thing.label,
                "score": round(thing.score, 3),
                "box": [round(share, 4) for share in thing.box],
                "bearing_deg": round(bearing_deg(thing.box, self.field_of_view_deg), 1),
            }
            for thing in percept.things
        ]
        data = {"detections": detections, "age_ms": vision.age_ms and round(vision.age_ms, 1)}
        return [Message("/perception/detections", percept.at_ns, data)]

    def _hear(self, said: Utterance) -> list[Message]:
        """A command once it is whole; to stop at once, even before the sentence ends."""
        found = command(said.text)
        if not said.final and (found != "stop" or self._obeyed == "stop"):
            return []
        self._obeyed = None if said.final else found
        data = {"text": said.text, "command": found, "final": said.final, "modality": said.modality}
        return [Message(HEARD, said.at_ns, data)]


class McapSink:
    """Messages in an MCAP file, as Foxglove and ROS tools open it."""

    def __init__(self, path: Path, keep_days: float | None = None) -> None:
        """``keep_days``: older files beside it go. Raises RecordingError when the file exists or cannot be made."""
        self._recorder = Recorder(path, keep_days=keep_days)

    def write(self, message: Message) -> None:
        """Keep one message."""
        self._recorder.message(message.topic, json.dumps(message.data).encode(), message.at_ns)

    def close(self) -> None:
        """Finish the file."""
        self._recorder.close()
