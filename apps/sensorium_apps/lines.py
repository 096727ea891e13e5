"""A session as plain lines, for a pipe, a log or a screen reader: only what changes is told."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sensorium.clock import NS_PER_S
from sensorium.events import (
    BackendChanged,
    Candidate,
    ConsentChanged,
    Event,
    Fault,
    HealthChanged,
    Percept,
    Reply,
    RungChanged,
    Speech,
    Thing,
    Utterance,
)
from sensorium.health import State
from sensorium_apps.wording import NAMES, counted, percent, said_by

FORGET_NS = 5 * NS_PER_S  # a thing that flickers out and in within this time is no news
FOUND, LOST = 0.6, 0.4  # a candidate is told above the one and again only after it fell below the other


@dataclass(slots=True)
class Lines:
    """Turns events into lines; each line begins with the seconds since the first event."""

    wanted: frozenset[str] = frozenset()  # what is looked for; other candidates are not told

    _start_ns: int | None = None
    _seen_ns: dict[str, int] = field(default_factory=dict)  # what was seen or heard -> when last
    _found: set[str] = field(default_factory=set)
    _mute: bool = False  # a failing speaker was told

    def take(self, event: Event) -> list[str]:
        """The lines that this event is worth; often none."""
        if self._start_ns is None:
            self._start_ns = event.at_ns
        at_s = (event.at_ns - self._start_ns) / NS_PER_S
        return [f"{at_s:7.1f}  {line}" for line in self._tell(event)]

    def _tell(self, event: Event) -> list[str]:
        if isinstance(event, Percept):
            return self._perceive(event)
        if isinstance(event, HealthChanged):
            ready = event.modality == "text" and event.state is State.LIVE  # it always is: no news
            return [] if ready else [health_line(event)]
        if isinstance(event, Utterance):
            return [f"{said_by(event)}: {event.text}"] if event.final else []
        if isinstance(event, Reply):
            return [f"sensorium: {event.text}"]
        if isinstance(event, Speech):
            return self._speak(event)
        if isinstance(event, RungChanged):
            return [f"rung {event.rung} (was {event.previous}): {event.cause}"]
        if isinstance(event, BackendChanged):
            return [f"{event.graph} runs on {event.backend} (was {event.previous}): {event.cause}"]
        if isinstance(event, ConsentChanged):
            return [f"consent to keep what is seen and heard: {'yes' if event.given else 'no'}, by {event.by}"]
        assert isinstance(event, Fault)
        return [f"fault in {event.where}: {event.reason}"]

    def _perceive(self, percept: Percept) -> list[str]:
        new = self._news((thing.label for thing in percept.things), percept.at_ns)
        things: list[Thing] = [thing for thing in percept.things if thing.label in new]
        sounds = self._news((f"sound {g.name}" for g in percept.sounds), percept.at_ns)
        lines = [f"sees {counted(things)}"] if things else []
        lines += [f"hears {name.removeprefix('sound ')}" for name in sounds]
        looked_for = [candidate for candidate in percept.candidates if candidate.text in self.wanted]
        self._found &= {candidate.text for candidate in looked_for}  # what is no longer among the best is lost
        return lines + [line for candidate in looked_for for line in self._look(candidate)]

    def _news(self, names: Iterable[str], at_ns: int) -> list[str]:
        names = list(dict.fromkeys(names))
        new = [name for name in names if at_ns - self._seen_ns.get(name, -FORGET_NS - 1) > FORGET_NS]
        self._seen_ns |= dict.fromkeys(names, at_ns)
        return new

    def _look(self, candidate: Candidate) -> list[str]:
        if candidate.probability < LOST:
            self._found.discard(candidate.text)
        if candidate.probability < FOUND or candidate.text in self._found or not candidate.contributions:
            return []
        self._found.add(candidate.text)
        by = ", ".join(f"{NAMES.get(m, m)} {value:+.1f}" for m, value in candidate.contributions.items())
        return [f"found {candidate.text}: {percent(candidate.probability)} ({by})"]

    def _speak(self, speech: Speech) -> list[str]:
        told, self._mute = self._mute, speech.phase == "failed"
        return [f"cannot speak: {speech.reason}"] if self._mute and not told else []


def health_line(change: HealthChanged) -> str:
    """A change of health in words."""
    name = NAMES.get(change.modality, change.modality)
    if change.state is State.LIVE:
        return f"{name} works"
    return f"{name} {change.state.value}{f': {change.reason}' if change.reason else ''}"
