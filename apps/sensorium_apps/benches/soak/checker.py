"""Holds what a session tells against the truth, percept by percept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.events import Event, Percept
from sensorium.ladder import LADDER
from sensorium.stream import Counts
from sensorium_apps.benches.soak.lateness import Lateness
from sensorium_apps.benches.soak.memory import Held
from sensorium_apps.benches.soak.truth import SETTLED_NS, Timeline, Violation, decisive, wrong, wrong_sum
from sensorium_apps.benches.soak.world import Light
from sensorium_devices.faults import Fault

FEWER_PICTURES = {rung.name for rung in LADDER if rung.vision_period_ms}  # where what is seen may be seconds old
HICCUP_NS = 90 * NS_PER_MS  # that the machine let a thread wait: a longer one eats the spare sample of a rule


@dataclass(slots=True)
class Checker:
    """Takes a session's events in order; what does not hold is kept once for each invariant and set of faults."""

    faults: Sequence[Fault]
    tick_ns: int
    began_ns: dict[str, int] = field(default_factory=dict)  # modality -> when its source was first opened
    violations: dict[tuple[str, str, tuple[str, ...]], Violation] = field(default_factory=dict)
    percepts: int = 0
    answered: int = 0  # percepts that came before the next was due
    lateness: Lateness = field(default_factory=Lateness)
    judged: int = 0  # percepts whose senses were held against the truth
    _had_to_be_told: dict[Fault, bool] = field(init=False)
    _timelines: dict[str, Timeline] = field(default_factory=dict)
    _unjudged_until_ns: int = 0
    _start_ns: int | None = None

    def __post_init__(self) -> None:
        self._had_to_be_told = dict.fromkeys(self.faults, False)

    @property
    def faults_judged(self) -> int:
        """How many were alone and lasted long enough to have to be told."""
        return sum(self._had_to_be_told.values())

    def hiccup(self, at_ns: int, late_ns: int) -> None:
        """The machine did not run a thread for ``late_ns`` until ``at_ns``: nothing is judged until all has settled."""
        if late_ns > HICCUP_NS:
            self._unjudged_until_ns = max(self._unjudged_until_ns, at_ns + late_ns + SETTLED_NS)

    def take(self, event: Event, late_ns: float | None = None) -> None:
        """Check one event; ``late_ns``: how late a percept was, where it does not say so itself."""
        if self._start_ns is None:
            self._start_ns = event.at_ns
        if not isinstance(event, Percept):
            return
        self.percepts += 1
        late_ns = event.latency_ms * NS_PER_MS if late_ns is None else late_ns
        self.lateness.add(late_ns)
        self.answered += late_ns <= self.tick_ns
        if event.seq != self.percepts:
            self.violate("every tick is answered", f"percept {event.seq} came as number {self.percepts}", event.at_ns)
        told = wrong_sum(event)
        if told is not None:
            self.violate("presence is the truth", told, event.at_ns)
        if event.rung in FEWER_PICTURES:  # the machine is late, and the session does what it can
            self._unjudged_until_ns = max(self._unjudged_until_ns, event.at_ns + SETTLED_NS)
        if event.at_ns >= self._unjudged_until_ns:
            self.judged += 1
            self._judge(event)

    def _judge(self, percept: Percept) -> None:
        for name, began_ns in self.began_ns.items():
            at_ns = percept.at_ns - began_ns
            if name not in self._timelines:
                self._timelines[name] = Timeline([fault for fault in self.faults if fault.modality == name])
            if at_ns < SETTLED_NS:
                continue  # it has just been opened
            faults, sensed = self._timelines[name].at(at_ns), percept.senses[name]
            if len(faults) == 1 and decisive(faults[0], at_ns):
                self._had_to_be_told[faults[0]] = True
            told = wrong(sensed, faults, at_ns, name)
            if told is not None:
                detail = f"{name}: {told}; told {sensed.state} {sensed.reason!r}, age {sensed.age_ms} ms"
                self.violate("presence is the truth", detail, percept.at_ns, faults, key=f"{name}: {told}")

    def violate(
        self, invariant: str, told: str, at_ns: int, faults: Sequence[Fault] = (), key: str | None = None
    ) -> None:
        """An invariant did not hold."""
        names = tuple(map(str, faults))
        at_s = round((at_ns - (self._start_ns or at_ns)) / NS_PER_S, 3)
        self.violations.setdefault((invariant, key or told, names), Violation(at_s, invariant, told, names))

    def account(
        self,
        counts: Mapping[str, Counts],
        given: Mapping[str, int],
        encoders: Mapping[str, Light],
        at_ns: int,
        ahead: int = 0,
    ) -> None:
        """Check that what the sources gave was put, and all that was put is done, dropped or waiting.

        ``ahead``: samples that each source may have given which were not due by the end.
        """
        for name, given_count in given.items():
            c, done = counts[name], encoders[name].done
            whole = c.put <= given_count <= c.put + ahead and c.put == c.taken + c.dropped + c.waiting
            if not whole or c.taken < done:
                self.violate("in = done + dropped", f"{name}: {given_count} given, {done} encoded, {c}", at_ns)

    def close(self, ticks: int, more_files: int, memory: Held, at_ns: int) -> None:
        """Check what shows at the end: all ``ticks`` answered, no file left open, memory flat."""
        if ticks != self.percepts:
            self.violate("every tick is answered", f"{ticks} ticks, {self.percepts} percepts", at_ns)
        if more_files > 0:
            self.violate("nothing leaked", f"{more_files} file descriptors", at_ns)
        if (grown := memory.grown()) is not None:
            self.violate("memory is flat", grown, at_ns)
