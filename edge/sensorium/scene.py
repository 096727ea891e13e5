"""What the session knows of the world right now, and what happened lately: all that an answer may rest on."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sensorium.clock import NS_PER_S
from sensorium.events import Guess, Thing
from sensorium.health import Health, State

HISTORY = 200  # happenings kept; at one a second some three minutes
FORGET_SOUND_NS = 10 * NS_PER_S  # "what did you hear" means the last moments


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that changed, told as a clause: ``a cat appeared``, ``the camera stopped``."""

    at_ns: int
    text: str
    modality: str


@dataclass(frozen=True, slots=True)
class HeardSound:
    """A sound that was recognised, and when it was last heard."""

    name: str
    probability: float
    at_ns: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A snapshot: everything an answer may rest on. Frozen, so that answering can run beside the session."""

    now_ns: int
    health: dict[str, Health]  # every modality that the session has, absent ones too
    seen_ns: int = 0  # capture time of the picture that things and names come from; 0: none yet
    things: tuple[Thing, ...] = ()
    names: tuple[Guess, ...] = ()  # of the whole picture, best first
    sounds: tuple[HeardSound, ...] = ()  # newest first, none older than FORGET_SOUND_NS
    said: tuple[str, ...] = ()  # the user's earlier utterances, oldest first
    replies: tuple[str, ...] = ()  # the machine's earlier replies, oldest first
    happenings: tuple[Happening, ...] = ()  # oldest first
    looked_for: tuple[Guess, ...] = ()  # the texts of --look-for with their probability now
    wall_clock_s: float = 0.0  # seconds since 1970-01-01 UTC at now_ns
    utc_offset_s: int = 0

    def sees(self) -> bool:
        """Whether there is a picture to speak of now."""
        vision = self.health.get("vision")
        return vision is not None and vision.present and self.seen_ns > 0

    def hears(self) -> bool:
        """Whether the microphone gives something now."""
        audio = self.health.get("audio")
        return audio is not None and audio.present


@dataclass(slots=True)
class Memory:
    """The changing side of a scene: fed by the core, read as snapshots."""

    seen_ns: int = 0
    things: tuple[Thing, ...] = ()
    names: tuple[Guess, ...] = ()
    looked_for: tuple[Guess, ...] = ()
    _sounds: dict[str, HeardSound] = field(default_factory=dict)
    _said: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY))
    _replies: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY))
    _happenings: deque[Happening] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def see(self, at_ns: int, things: tuple[Thing, ...] | None, names: tuple[Guess, ...] | None) -> None:
        """Take in what one picture showed; None leaves that part as it was."""
        self.seen_ns = at_ns
        if things is not None:
            self._tell_changes(at_ns, {t.label for t in self.things}, {t.label for t in things})
            self.things = things
        if names is not None:
            self.names = names

    def lose_sight(self) -> None:
        """Forget the picture: after an outage the first new one is compared with nothing."""
        self.seen_ns, self.things, self.names = 0, (), ()

    def hear(self, at_ns: int, sounds: Iterable[Guess]) -> None:
        """Take in the sounds recognised just now."""
        for sound in sounds:
            known = self._sounds.get(sound.name)
            if known is None or at_ns - known.at_ns > FORGET_SOUND_NS:
                self._happenings.append(Happening(at_ns, f"I heard {sound.name}", "audio"))
            self._sounds[sound.name] = HeardSound(sound.name, sound.probability, at_ns)

    def say(self, at_ns: int, text: str, modality: str) -> None:
        """Take in what the user said."""
        self._said.append(text)
        self._happenings.append(Happening(at_ns, f"you said: {text.rstrip('.!?')}", modality))

    def reply(self, text: str) -> None:
        """Take in what the machine answered."""
        self._replies.append(text)

    def sense(self, at_ns: int, modality: str, health: Health) -> None:
        """Take in a change of health."""
        device = {"vision": "the camera", "audio": "the microphone"}.get(modality, f"the {modality} sensor")
        clause = {
            State.LIVE: f"{device} is working",
            State.DEGRADED: f"{device} is {health.reason}",
            State.STALE: f"{device} is late",
            State.ABSENT: f"{device} stopped",
        }[health.state]
        if health.state is not State.STALE and modality != "text":  # a keyboard is no news
            self._happenings.append(Happening(at_ns, clause, modality))

    def recent_sounds(self, now_ns: int) -> tuple[Guess, ...]:
        """The sounds of the last two seconds, most probable first."""
        recent = [s for s in self._sounds.values() if now_ns - s.at_ns <= 2 * NS_PER_S]
        return tuple(Guess(s.name, s.probability) for s in sorted(recent, key=lambda s: -s.probability))

    def snapshot(self, now_ns: int, health: dict[str, Health], wall_clock_s: float, utc_offset_s: int) -> Scene:
        """Everything as it stands at ``now_ns``."""
        sounds = [s for s in self._sounds.values() if now_ns - s.at_ns <= FORGET_SOUND_NS]
        return Scene(
            now_ns=now_ns,
            health=dict(health),
            seen_ns=self.seen_ns,
            things=self.things,
            names=self.names,
            sounds=tuple(sorted(sounds, key=lambda s: -s.at_ns)),
            said=tuple(self._said),
            replies=tuple(self._replies),
            happenings=tuple(self._happenings),
            looked_for=self.looked_for,
            wall_clock_s=wall_clock_s,
            utc_offset_s=utc_offset_s,
        )

    def _tell_changes(self, at_ns: int, before: set[str], after: set[str]) -> None:
        for label in sorted(after - before):
            self._happenings.append(Happening(at_ns, f"{_a(label)} appeared", "vision"))
        for label in sorted(before - after):
            self._happenings.append(Happening(at_ns, f"{_a(label)} went away", "vision"))


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"
