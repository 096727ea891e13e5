"""The deterministic heart of a session: steps in, effects out, no thread, no clock, no device.

It judges health, keeps each modality's newest evidence with its age, fuses what is at hand on every tick, takes turns
in the conversation, and remembers what an answer may rest on.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sensorium.capture import SourceChanged
from sensorium.climb import Footing
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.conversation import TurnOutput, TurnTaking
from sensorium.errors import SensoriumError
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
    Speech,
    Utterance,
)
from sensorium.evidence import Evidence, Phrase
from sensorium.fusion import Fusion
from sensorium.health import Health, State, stale_after_ns
from sensorium.ladder import LADDER, Rung
from sensorium.policy import PRIVATE, PrivacyPolicy
from sensorium.scene import Memory
from sensorium.senses import Failures, Sense
from sensorium.steps import (
    Check,
    Consent,
    Done,
    Effect,
    Failed,
    Finding,
    Hush,
    Job,
    Measured,
    Publish,
    Recognised,
    Replaced,
    Respond,
    Responded,
    Speak,
    Spoke,
    Start,
    Step,
    Tick,
)

log = logging.getLogger(__name__)

TOLD_CANDIDATES = 5  # in a percept when nothing is looked for by name
TOLD_NAMES = 5  # for the whole picture
SENSE_OF_WORDS = {"audio": "speech"}  # what is said is other evidence than how it sounds


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What a session is asked to do."""

    modalities: tuple[str, ...]
    look_for: tuple[str, ...] = ()
    wall_clock_s: float = 0.0  # seconds since 1970-01-01 UTC at started_ns
    utc_offset_s: int = 0
    started_ns: int = 0
    ladder: tuple[Rung, ...] = LADDER
    backends: Mapping[str, str] = field(default_factory=dict)  # part/graph -> what executes it at the beginning
    privacy: PrivacyPolicy = PRIVATE  # what a recording of it lacks


class Core:
    """See the module. ``fusion`` scores the candidates; ``handle`` is the only way in."""

    def __init__(self, settings: CoreSettings, fusion: Fusion | None) -> None:
        self._settings = settings
        self._fusion = fusion
        self._senses = {name: Sense() for name in settings.modalities}
        self._turns = TurnTaking()
        self._memory = Memory()
        self._footing = Footing(settings.ladder)
        self._consent: bool | None = None  # as it was last told
        self._backends = dict(settings.backends)
        self._ticks = 0
        self._jobs = 0
        self._replies = 0
        self._asked: dict[int, Respond] = {}
        self._speaking: int | None = None
        self._fusion_failures = Failures()

    def handle(self, step: Step, now_ns: int) -> list[Effect]:
        """Take in one step at ``now_ns``; returns what is to be done, in order."""
        if isinstance(step, Finding):
            return self._find(step, now_ns)
        if isinstance(step, Tick):
            return [*self._judge(step.arrivals, now_ns), *self._tick(step, now_ns)]
        if isinstance(step, Check):
            return self._judge(step.arrivals, now_ns)
        if isinstance(step, SourceChanged):
            return self._connect(step, now_ns)
        if isinstance(step, Done):
            return self._done(step, now_ns)
        if isinstance(step, Measured):
            self._footing.readings = step.readings
            return []
        if isinstance(step, Replaced):
            return self._replace(step, now_ns)
        if isinstance(step, Consent):
            return self._agree(step, now_ns)
        return self._spoke(step, now_ns)

    def next_check_ns(self, arrivals: Mapping[str, int]) -> int | None:
        """When the health of some modality may change by itself; None when nothing is awaited."""
        due = [
            max(arrivals.get(name, 0), sense.last_ns, sense.opened_ns) + sense.stale_ns + 1
            for name, sense in self._senses.items()
            if sense.connected and sense.stale_ns and sense.health.present
        ]
        return min(due, default=None)

    @property
    def rung(self) -> Rung:
        """The ladder's rung that the session stands on."""
        return self._footing.rung

    def _agree(self, consent: Consent, now_ns: int) -> list[Effect]:
        if consent.given == self._consent:
            return []
        self._consent = consent.given
        return [Publish(ConsentChanged(now_ns, consent.given, consent.by))]

    # health

    def _connect(self, change: SourceChanged, now_ns: int) -> list[Effect]:
        sense = self._senses.get(change.modality)
        if sense is None:
            return []
        if change.state == "faulty":
            sense.rate_fault = change.reason or None
            return self._judge({}, now_ns)
        sense.connected = change.state == "open"
        sense.rate_fault = None
        if sense.connected:
            sense.opened_ns = now_ns
            sense.stale_ns = stale_after_ns(change.modality, change.info.period_ns if change.info else 0)
            return []  # it is live once a sample came
        # Without a sample it did not stop: it never was there, and an answer says so.
        return self._set_health(change.modality, Health(State.ABSENT, change.reason, sense.last_ns), now_ns)

    def _judge(self, arrivals: Mapping[str, int], now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        for name, sense in self._senses.items():
            sense.last_ns = max(sense.last_ns, arrivals.get(name, 0))
            if not sense.connected:
                continue
            health = sense.judge(now_ns)
            began = sense.last_ns >= sense.opened_ns or sense.stale_ns == 0
            if began or not health.present:
                effects += self._set_health(name, health, now_ns)
        return effects

    def _set_health(self, name: str, health: Health, now_ns: int) -> list[Effect]:
        sense = self._senses[name]
        if health.state is sense.health.state and health.reason == sense.health.reason:
            return []
        first_absence = sense.health.state is health.state is State.ABSENT and not sense.last_ns
        sense.health = health
        if not health.present:
            self._lose_evidence(name)
            if name == "audio":
                self._turns.reset()
        if not first_absence:
            self._memory.sense(now_ns, name, health)
        return [Publish(HealthChanged(now_ns, name, health.state, health.reason, health.since_ns))]

    def _lose_evidence(self, name: str) -> None:
        self._senses[name].evidence.clear()
        if name == "vision":
            self._memory.lose_sight()

    # what the encoders found

    def _find(self, found: Finding, now_ns: int) -> list[Effect]:
        sense = self._senses.get(found.modality)
        effects: list[Effect] = []
        if found.text is not None:
            said = Utterance(now_ns, found.text, "text", True, found.captured_ns, found.captured_ns)
            effects += self._said(said, now_ns)
        if sense is None or not sense.connected:
            return effects  # from a source that was lost meanwhile
        sense.last_ns = max(sense.last_ns, min(found.captured_ns, now_ns))
        sense.fault = found.fault
        if found.text is None:  # a line is old when somebody was slow to type it
            sense.look(max(0, now_ns - found.captured_ns))
        if not sense.is_as_told(now_ns):
            effects += self._set_health(found.modality, sense.judge(now_ns), now_ns)
        if found.failures:
            new = sense.failures.new(found.failures, now_ns)
            effects += [Publish(Fault(now_ns, found.modality, reason)) for reason in new]
        if found.fault is not None:
            self._lose_evidence(found.modality)
        else:
            for evidence in found.evidence:
                sense.evidence[evidence.sense] = evidence
        if found.things is not None or found.names is not None:
            self._memory.see(found.captured_ns, found.things, found.names)
        if found.sounds:
            self._memory.hear(found.captured_ns, found.sounds)
        for sign in found.speech:
            effects += self._converse(self._turns.hear(sign), now_ns)
        return effects

    # conversation

    def _converse(self, turn: TurnOutput, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        if turn.interrupts and self._speaking is not None:
            effects.append(Hush())
        if turn.job is not None:
            effects.append(Start(turn.job))
        for utterance in turn.utterances:
            effects += self._said(utterance, now_ns) if utterance.final else [Publish(utterance)]
        return effects

    def _said(self, said: Utterance, now_ns: int) -> list[Effect]:
        effects: list[Effect] = [Publish(said)]
        if self._speaking is not None:
            effects.append(Hush())
        scene = self._memory.snapshot(now_ns, self._health(), self._wall_clock_s(now_ns), self._settings.utc_offset_s)
        self._memory.say(now_ns, said.text, said.modality)
        words = Evidence(
            said.modality,
            (Phrase(said.text, kind="share"),),
            now_ns,
            sense=SENSE_OF_WORDS.get(said.modality, ""),
        )
        self._senses[said.modality].evidence[words.sense] = words
        self._jobs += 1
        # Recognitions count from 1 up, responses from -1 down: no two jobs share a number.
        evidences = tuple(self._evidences(now_ns))
        job = Respond(-self._jobs, said.text, scene, said.ended_ns, evidences, self.rung.language_model)
        self._asked[job.id] = job
        return [*effects, Start(job)]

    def _done(self, done: Done, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        if isinstance(done.result, Failed):
            effects.append(Publish(Fault(now_ns, done.result.where, done.result.reason)))
        if done.job_id > 0:
            text = done.result if isinstance(done.result, Recognised) else None
            return effects + self._converse(self._turns.recognised(done.job_id, text, now_ns), now_ns)
        asked = self._asked.pop(done.job_id, None)
        if asked is None or not isinstance(done.result, Responded):
            return effects
        return effects + self._reply(asked, done.result, now_ns)

    def _reply(self, asked: Respond, answer: Responded, now_ns: int) -> list[Effect]:
        self._replies += 1
        text = answer.reworded or answer.text
        self._memory.reply(text)
        latency_ms = (now_ns - asked.asked_ns) / NS_PER_MS
        reply = Reply(now_ns, self._replies, text, asked.question, answer.because, latency_ms)
        return [Publish(reply), Speak(reply.id, first_sentences(reply.text, self.rung.speech_sentences))]

    def _spoke(self, spoke: Spoke, now_ns: int) -> list[Effect]:
        if spoke.phase == "started":
            self._speaking = spoke.reply_id
        elif self._speaking == spoke.reply_id:
            self._speaking = None
        return [Publish(Speech(now_ns, spoke.reply_id, spoke.phase, spoke.reason))]

    # ticks

    def _tick(self, tick: Tick, now_ns: int) -> list[Effect]:
        effects = self._converse(self._turns.wait(now_ns), now_ns)
        latency_ms = max(0, now_ns - tick.due_ns) / NS_PER_MS
        effects += self._climb(latency_ms, now_ns)
        candidates, failed = self._candidates(now_ns)
        self._memory.looked_for = tuple(Guess(c.text, c.probability) for c in candidates if self._settings.look_for)
        self._ticks += 1
        percept = Percept(
            at_ns=now_ns,
            seq=self._ticks,
            senses={name: sense.sensed(now_ns) for name, sense in self._senses.items()},
            candidates=candidates,
            things=self._memory.things,
            scene=self._memory.names[:TOLD_NAMES],
            sounds=self._memory.recent_sounds(now_ns),
            rung=self.rung.name,
            latency_ms=latency_ms,
            backends=by_part(self._settings.backends, self._backends),
        )
        return [*effects, *failed, Publish(percept)]

    def _climb(self, latency_ms: float, now_ns: int) -> list[Effect]:
        """Up or down the ladder, or neither."""
        behind_ns = max((sense.behind_ns for sense in self._senses.values() if sense.connected), default=0)
        change = self._footing.tick(latency_ms, behind_ns / NS_PER_MS, now_ns)
        for sense in self._senses.values():
            sense.looked = False
            if change is not None:
                sense.behind_ns = 0
        return [] if change is None else [Publish(change)]

    def _replace(self, change: Replaced, now_ns: int) -> list[Effect]:
        self._backends[change.graph] = change.backend
        self._footing.failed(now_ns)
        return [Publish(BackendChanged(now_ns, change.graph, change.backend, change.previous, change.cause))]

    def _candidates(self, now_ns: int) -> tuple[tuple[Candidate, ...], list[Effect]]:
        """What is looked for; a fusion that fails is told now and then, and the session goes on without."""
        if self._fusion is None:
            return (), []
        count = len(self._settings.look_for) or TOLD_CANDIDATES
        try:
            return self._fusion.fuse(self._evidences(now_ns), now_ns, count), []
        except SensoriumError as err:  # a graph that fails; a fault of our own surfaces
            reason = f"{type(err).__name__}: {err}"
            new = self._fusion_failures.new([reason], now_ns)
            if new:
                log.exception("fusion failed")
            return (), [Publish(Fault(now_ns, "fusion", reason)) for reason in new]

    def _evidences(self, now_ns: int) -> list[Evidence]:
        return [e for sense in self._senses.values() for e in sense.current(now_ns)]

    def _health(self) -> dict[str, Health]:
        return {name: sense.health for name, sense in self._senses.items()}

    def _wall_clock_s(self, now_ns: int) -> float:
        return self._settings.wall_clock_s + (now_ns - self._settings.started_ns) / NS_PER_S


def first_sentences(text: str, count: int) -> str:
    """The first ``count`` sentences of the text; all of it where that is 0."""
    return " ".join(re.split(r"(?<=[.!?])\s+", text)[:count]) if count else text


def by_part(first: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Parts with what executed most of their graphs at ``first`` (part/graph -> backend), and graphs that differ."""
    parts: dict[str, list[str]] = {}
    for name, backend in first.items():
        parts.setdefault(name.partition("/")[0], []).append(backend)
    most = {part: max(dict.fromkeys(own), key=own.count) for part, own in parts.items()}
    return most | {name: backend for name, backend in now.items() if backend != most.get(name.partition("/")[0])}


def events(effects: Iterable[Effect]) -> list[Event]:
    """The events among these effects."""
    return [effect.event for effect in effects if isinstance(effect, Publish)]


def jobs(effects: Iterable[Effect]) -> list[Job]:
    """The jobs among these effects."""
    return [effect.job for effect in effects if isinstance(effect, Start)]
