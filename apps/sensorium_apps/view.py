"""What a person sees of a session: a state folded from events, drawn as a live screen."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sensorium.clock import NS_PER_S
from sensorium.events import (
    BackendChanged,
    Candidate,
    ConsentChanged,
    Event,
    Fault,
    Guess,
    HealthChanged,
    Percept,
    Reply,
    RungChanged,
    Sensed,
    Speech,
    Thing,
    Utterance,
)
from sensorium.health import State
from sensorium.stream import Counts
from sensorium_apps.explain_view import contribution_bar, table
from sensorium_apps.explanation import explain
from sensorium_apps.wording import NAMES, counted, percent, said_by

SHOWN_TURNS = 6  # of the conversation: what fits beside the rest on 24 lines
SHOWN_CANDIDATES = 4
SHOWN_NAMES = 3
RATE_WINDOW_NS = 2 * NS_PER_S  # rates over two seconds: steady enough to read

STYLES = {State.LIVE: "green", State.DEGRADED: "yellow", State.STALE: "magenta", State.ABSENT: "red"}


@dataclass(slots=True)
class Flow:
    """What became of one modality's samples."""

    rate_hz: float = 0.0
    dropped: int = 0
    _marks: deque[tuple[int, int]] = field(default_factory=deque)  # at_ns, how many had come

    def take(self, at_ns: int, counts: Counts) -> None:
        """Take in the stream's counts at one moment."""
        self.dropped = counts.dropped
        self._marks.append((at_ns, counts.put))
        while at_ns - self._marks[0][0] > RATE_WINDOW_NS:
            self._marks.popleft()
        first_ns, first = self._marks[0]
        self.rate_hz = (counts.put - first) * NS_PER_S / (at_ns - first_ns) if at_ns > first_ns else 0.0


@dataclass(slots=True)
class ViewState:
    """All that the screen shows; ``take`` folds one event into it."""

    now_ns: int = 0
    senses: dict[str, Sensed] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)  # modality -> what its source turned out to be
    candidates: tuple[Candidate, ...] = ()
    things: tuple[Thing, ...] = ()
    scene: tuple[Guess, ...] = ()
    sounds: tuple[Guess, ...] = ()
    turns: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=SHOWN_TURNS))  # who, text
    partial: str = ""
    speaking: bool = False
    rung: str = ""
    latency_ms: float = 0.0
    ticks: int = 0
    fault: str = ""  # the last one
    consent: bool | None = None  # whether anything may be kept; None: nothing is
    explains: bool = False  # whether to show why the best candidate is the best

    def take(self, event: Event) -> None:
        """Fold one event in."""
        self.now_ns = max(self.now_ns, event.at_ns)
        if isinstance(event, Percept):
            self._perceive(event)
        elif isinstance(event, HealthChanged):
            known = self.senses.get(event.modality)
            age_ms = known.age_ms if known else None
            self.senses[event.modality] = Sensed(event.state, event.reason, age_ms, False)
        elif isinstance(event, Utterance):
            self._hear(event)
        elif isinstance(event, Reply):
            self.turns.append(("sensorium", event.text))
        elif isinstance(event, Speech):
            self.speaking = event.phase == "started"
            self.fault = f"speech: {event.reason}" if event.phase == "failed" else self.fault
        elif isinstance(event, RungChanged):
            self.rung = event.rung
        elif isinstance(event, BackendChanged):
            self.fault = f"{event.graph} runs on {event.backend}: {event.cause}"
        elif isinstance(event, ConsentChanged):
            self.consent = event.given
        elif isinstance(event, Fault):
            self.fault = f"{event.where}: {event.reason}"

    def count(self, counts: Mapping[str, Counts], at_ns: int) -> None:
        """Take in what became of every modality's samples."""
        for modality, told in counts.items():
            self.flows.setdefault(modality, Flow()).take(at_ns, told)

    def _perceive(self, percept: Percept) -> None:
        self.senses = dict(percept.senses)
        self.candidates, self.things = percept.candidates, percept.things
        self.scene, self.sounds = percept.scene, percept.sounds
        self.rung, self.latency_ms, self.ticks = percept.rung, percept.latency_ms, percept.seq

    def _hear(self, said: Utterance) -> None:
        self.partial = "" if said.final else said.text
        if said.final:
            self.turns.append((said_by(said), said.text))


def render(state: ViewState) -> RenderableType:
    """The screen: senses, what is looked for, what is seen and heard, the conversation, how it runs."""
    return Group(
        _senses(state),
        *([_candidates(state.candidates)] if state.candidates else []),
        *([table(why)] if state.explains and (why := explain(state.candidates, state.senses)) else []),
        _world(state),
        Panel(_conversation(state), title="conversation", title_align="left", border_style="dim"),
        _footer(state),
    )


def _senses(state: ViewState) -> Table:
    table = Table.grid(padding=(0, 2))
    for modality, sensed in state.senses.items():
        flow = state.flows.get(modality, Flow())
        health = Text(sensed.state.value, STYLES[sensed.state])
        age = "" if sensed.age_ms is None else f"{sensed.age_ms / 1000:.1f} s old"
        rate = f"{flow.rate_hz:.0f}/s" if flow.rate_hz else ""
        dropped = f"{flow.dropped} dropped" if flow.dropped else ""
        why = sensed.reason or state.sources.get(modality, "")
        table.add_row(
            Text(NAMES.get(modality, modality), "bold"),
            health,
            age,
            rate,
            Text(dropped, "dim"),
            Text(why, "dim"),
        )
    return table


def _candidates(candidates: tuple[Candidate, ...]) -> Table:
    shown = candidates[:SHOWN_CANDIDATES]
    modalities = list(dict.fromkeys(m for candidate in shown for m in candidate.contributions))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("candidate", "", *(NAMES.get(m, m) for m in modalities)):
        table.add_column(header)
    for candidate in shown:
        bars = (contribution_bar(candidate.contributions.get(m)) for m in modalities)
        table.add_row(candidate.text, percent(candidate.probability), *bars)
    return table


def _world(state: ViewState) -> Table:
    table = Table.grid(padding=(0, 2))
    scene = ", ".join(f"{g.name} {percent(g.probability)}" for g in state.scene[:SHOWN_NAMES])
    sounds = ", ".join(f"{g.name} {percent(g.probability)}" for g in state.sounds[:SHOWN_NAMES])
    for title, text in (("sees", counted(state.things)), ("looks like", scene), ("sounds like", sounds)):
        table.add_row(Text(title, "dim"), text or Text("nothing", "dim"))
    return table


def _conversation(state: ViewState) -> Text:
    lines = [
        Text.assemble((f"{who}: ", "bold cyan" if who == "sensorium" else "bold"), text) for who, text in state.turns
    ]
    if state.partial:
        lines.append(Text(f"you: {state.partial} …", "dim"))
    return Text("\n").join(lines) if lines else Text("nothing was said yet", "dim")


def _footer(state: ViewState) -> Text:
    parts = [f"tick {state.ticks}", f"rung {state.rung or '-'}", f"latency {state.latency_ms:.1f} ms"]
    parts += ["speaking"] if state.speaking else []
    parts += [] if state.consent is None else ["recording" if state.consent else "not recording: no consent"]
    text = Text("  ".join(parts), "dim")
    return text.append(f"  {state.fault}", "red") if state.fault else text
