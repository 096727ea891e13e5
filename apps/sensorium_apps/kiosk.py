"""A kiosk's prompts: it greets who comes, takes what is entered by hand or by voice, offers typing when it cannot hear,
and goes idle again."""

from dataclasses import dataclass, field
from enum import StrEnum

from sensorium.clock import NS_PER_S
from sensorium.events import Candidate, Event, HealthChanged, Percept, Reply, Utterance
from sensorium.health import State
from sensorium_apps.entry import Entry
from sensorium_apps.wording import NAMES, percent

PRESENT_NS = NS_PER_S // 2  # somebody who walks past is not greeted: two looks at two pictures a second
GONE_NS = 3 * NS_PER_S  # a detector may miss a person for a moment
IDLE_NS = 30 * NS_PER_S  # nobody there and nothing said for this long: the next visitor starts afresh
LEAST_SCORE = 0.4  # of a person

GREETING = "Hello! Ask me something."
GREETING_TYPED = "Hello! Type your question."
TYPE = "I can't hear you: {why}. Please type your question."
SPEAK = "I can hear you again."
ENTERED = "Entered: {all} ({last}: {sure}, by {by})"
BLIND = "I can't see right now: {why}. I still answer."
# What an impaired microphone asks for.
REQUESTS = {
    "muted": "I hear nothing at all. Is the microphone muted? You can type, too.",
    "clipped": "That is too loud for me. Please speak a little softer.",
}


class Phase(StrEnum):
    """Where the kiosk is with its visitor."""

    IDLE = "idle"
    GREETED = "greeted"
    TALKING = "talking"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the screen shows, and how the visitor is to answer."""

    at_ns: int
    phase: Phase
    text: str
    typing: bool  # show a field to type in: the visitor cannot be heard


@dataclass(slots=True)
class Rules:
    """From events to prompts."""

    phase: Phase = Phase.IDLE
    typing: bool = False
    entry: Entry = field(default_factory=lambda: Entry(frozenset()))  # of what a trained model tells apart
    _came_ns: int | None = None  # since when somebody is there
    _seen_ns: int | None = None  # when somebody was last there
    _active_ns: int = 0  # when something was last said
    _ill: dict[str, str] = field(default_factory=dict)  # modality -> what is wrong with it

    def take(self, event: Event) -> list[Prompt]:
        """The prompts that this event leads to."""
        if isinstance(event, HealthChanged):
            return self._judge(event)
        if isinstance(event, Utterance):
            return self._hear(event)
        if isinstance(event, Reply):
            self._active_ns = event.at_ns
            return [self._prompt(event.at_ns, event.text)]
        if isinstance(event, Percept):
            return self._see(event)
        return []

    def _see(self, percept: Percept) -> list[Prompt]:
        now_ns = percept.at_ns
        if any(thing.label == "person" and thing.score >= LEAST_SCORE for thing in percept.things):
            self._came_ns = now_ns if self._came_ns is None else self._came_ns
            self._seen_ns = now_ns
        elif self._seen_ns is None or now_ns - self._seen_ns > GONE_NS:
            self._came_ns = None
        entered = self.entry.take(percept)
        if entered is not None:
            return [self._enter(entered, now_ns)]
        return self._greet(now_ns) if self.phase is Phase.IDLE else self._leave(now_ns)

    def _enter(self, entered: Candidate, now_ns: int) -> Prompt:
        """Whoever enters something is there, seen or not."""
        self.phase, self._active_ns = Phase.TALKING, now_ns
        by = " and ".join(NAMES.get(m, m) for m, told in entered.contributions.items() if told > 0) or "nothing certain"
        told = ENTERED.format(
            all=" ".join(self.entry.entered), last=entered.text, sure=percent(entered.probability), by=by
        )
        return self._prompt(now_ns, told)

    def _greet(self, now_ns: int) -> list[Prompt]:
        if self._came_ns is None or now_ns - self._came_ns < PRESENT_NS:
            return []
        self.phase, self._active_ns = Phase.GREETED, now_ns
        return [self._prompt(now_ns, GREETING_TYPED if self.typing else GREETING)]

    def _leave(self, now_ns: int) -> list[Prompt]:
        if self._came_ns is not None or now_ns - self._active_ns < IDLE_NS:
            return []
        self.phase = Phase.IDLE
        self.entry.clear()
        return [self._prompt(now_ns, "")]

    def _hear(self, said: Utterance) -> list[Prompt]:
        """Whoever speaks is there, seen or not."""
        self._active_ns = said.at_ns
        self.phase = Phase.TALKING
        return [self._prompt(said.at_ns, f"You: {said.text}{'' if said.final else ' …'}")]

    def _judge(self, change: HealthChanged) -> list[Prompt]:
        before = self._ill.get(change.modality)
        now = "" if change.state is State.LIVE else change.reason or change.state.value
        if now:
            self._ill[change.modality] = now
        else:
            self._ill.pop(change.modality, None)
        if change.modality == "audio":
            return self._judge_hearing(change, before)
        if change.modality == "vision" and change.state is State.ABSENT and before != now:
            return [self._prompt(change.at_ns, BLIND.format(why=now))]
        return []

    def _judge_hearing(self, change: HealthChanged, before: str | None) -> list[Prompt]:
        was_typing, self.typing = (
            self.typing,
            change.state in (State.STALE, State.ABSENT) or change.reason == "muted",
        )
        if change.state is State.DEGRADED:
            request = REQUESTS.get(change.reason)
            return [self._prompt(change.at_ns, request)] if request and before != change.reason else []
        if self.typing and not was_typing:
            return [self._prompt(change.at_ns, TYPE.format(why=change.reason or "the microphone is late"))]
        if was_typing and not self.typing:
            return [self._prompt(change.at_ns, SPEAK)]
        return []

    def _prompt(self, at_ns: int, text: str) -> Prompt:
        return Prompt(at_ns, self.phase, text, self.typing)
