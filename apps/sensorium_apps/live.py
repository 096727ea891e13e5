"""A session from command-line words: opened, watched, and ended when there is nothing more to come."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sensorium.assemble import MODEL_ROLE, assemble
from sensorium.bundle import Bundle
from sensorium.clock import Clock, MonotonicClock
from sensorium.errors import BundleError, PrivacyError, SourceError, unknown
from sensorium.events import Event, HealthChanged, Percept, Reply, Speech, Utterance
from sensorium.guard import Patience
from sensorium.health import State
from sensorium.ladder import read_ladder
from sensorium.learned.config import ModelConfig, parse_config
from sensorium.policy import PRIVATE, PrivacyPolicy
from sensorium.samples import Sample
from sensorium.session import Session, SessionSettings
from sensorium.shared import SharedGraphs
from sensorium.source import Source, SourceInfo, StandsBy, Wrapper
from sensorium_apps.consent import Consenting, Typed
from sensorium_apps.faces import CompanionFaces
from sensorium_apps.failures import note
from sensorium_apps.journal import RecordingJournal
from sensorium_apps.paths import find_bundle
from sensorium_devices.factory import NONE, open_camera, open_microphone, open_sensor, open_speaker, open_text
from sensorium_devices.faults import Fault, source_name
from sensorium_devices.faulty import Faulty
from sensorium_devices.isolate import Isolate
from sensorium_devices.readings import PERIOD_MS
from sensorium_devices.uri import is_url, without_password

POLL_S = 0.1  # how often a screen is drawn when nothing happens, and the longest that Ctrl-C waits
# After the last sample of files and the last thing said: a turn may still wait 1.5 s for more speech.
QUIET_S = 2.5
QUIET_TYPED_S = 0.5  # typed questions wait for nothing but their answers
STUCK_S = 20.0  # an answer that takes longer does not come: its part has failed
REWORDER = "smollm2-135m"  # its entry in the zoo


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the user asked for, word for word; ``none`` leaves a modality out."""

    bundle: Path | None = None
    camera: str = NONE
    mic: str = NONE
    text: str = NONE
    speaker: str = NONE
    look_for: tuple[str, ...] = ()
    record: Path | None = None
    tick_ms: float = 200.0
    threads: int = 0
    reword: bool = False
    sensors: tuple[str, ...] = ()  # MODALITY=FILE each
    isolate: Isolate = Isolate.AUTO
    ladder: Path | None = None  # a TOML file of rungs
    faults: tuple[str, ...] = ()  # SOURCE:KIND@START+DURATION each
    privacy: PrivacyPolicy = PRIVATE


class Watched(Wrapper):
    """A source that keeps what its opening told, its newest sample, and whether it has ended by itself."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._closed = False
        self.ended = False
        self.newest: Sample | None = None
        self.opened: deque[SourceInfo] = deque()  # every opening's, for whoever tells them

    def open(self) -> SourceInfo:
        """Open the source."""
        self._closed = False
        info = self._source.open()
        self.opened.append(info)
        return info

    def read(self) -> Sample | None:
        """The source's next sample."""
        sample = self._source.read()
        self.newest = sample
        if sample is None and not self._closed and self.finite:
            self.ended = True
        return sample

    def stand_by(self) -> None:
        """Have the source stand by for its device where it can; else close it."""
        if isinstance(self._source, StandsBy):
            self._source.stand_by()
        else:
            self._source.close()

    def close(self) -> None:
        """Close the source."""
        self._closed = True
        self._source.close()


@dataclass(slots=True)
class Pending:
    """What was asked and is not yet answered, or answered and not yet said."""

    quiet_s: float  # how long nothing may have happened before it counts as over
    last_s: float = 0.0  # when something other than a percept happened
    _asked: int = 0
    _speaking: bool = False
    _partial: bool = False

    def take(self, event: Event, now_s: float) -> None:
        """Fold one event in."""
        if isinstance(event, Percept):
            return
        self.last_s = now_s
        if isinstance(event, Utterance):
            self._partial = not event.final
            self._asked += event.final
        elif isinstance(event, Reply):
            self._asked -= 1
        elif isinstance(event, Speech):
            self._speaking = event.phase == "started"
        elif isinstance(event, HealthChanged) and event.modality == "audio" and event.state is State.ABSENT:
            self._partial = False  # what was being said is lost with the microphone

    def settled(self, now_s: float) -> bool:
        """Whether nothing more is to come by itself."""
        busy = self._asked > 0 or self._speaking or self._partial
        return now_s - self.last_s > (STUCK_S if busy else self.quiet_s)


@dataclass(slots=True)
class Live:
    """A running session with its watched sources."""

    session: Session
    sources: Sequence[Watched]
    bundle: Bundle
    clock: Clock
    wanted: tuple[str, ...] = ()  # what is told when it is found: what was asked for, or what a trained model knows

    def events(self, seconds: float | None = None) -> Iterator[Event | None]:
        """The session's events, and None where none came for a moment.

        Ends after ``seconds``, or when all sources were files that have ended and everything was answered.
        """
        listens = any(source.modality == "audio" for source in self.sources)
        began_s = time.monotonic()
        pending = Pending(QUIET_S if listens else QUIET_TYPED_S, began_s)
        while (now_s := time.monotonic()) and (seconds is None or now_s - began_s < seconds):
            left_s = POLL_S if seconds is None else min(POLL_S, began_s + seconds - now_s)
            event = self.session.next_event(left_s)
            if event is not None:
                pending.take(event, now_s)
            elif self.ended and pending.settled(now_s):
                return
            yield event

    def openings(self) -> Iterator[tuple[str, str, SourceInfo]]:
        """What sources turned out to be since the last call: modality, name, info."""
        for source in self.sources:
            while source.opened:
                yield source.modality, source.name, source.opened.popleft()

    @property
    def ended(self) -> bool:
        """Whether all sources were files that have come to their end."""
        return bool(self.sources) and all(source.ended for source in self.sources)


def merged(running: Sequence[Live], seconds: float | None = None) -> Iterator[tuple[int, Event]]:
    """The events of several sessions with the place of each, as they come, until all have ended."""
    told: queue.SimpleQueue[tuple[int, Event | Exception | None]] = queue.SimpleQueue()
    stop = threading.Event()

    def read(place: int, one: Live) -> None:
        ended: Exception | None = None
        try:
            for event in one.events(seconds):
                if stop.is_set():
                    return
                if event is not None:
                    told.put((place, event))
        except Exception as err:  # it is the caller's
            ended = err
        told.put((place, ended))

    readers = [threading.Thread(target=read, args=given, name="events", daemon=True) for given in enumerate(running)]
    for reader in readers:
        reader.start()
    left = len(readers)
    try:
        while left:
            place, item = told.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                left -= 1
            else:
                yield place, item
    finally:
        stop.set()
        for reader in readers:
            reader.join()


@contextmanager
def live(inputs: Inputs, shared: SharedGraphs | None = None) -> Iterator[Live]:
    """Open the bundle, the sources and the speaker, run a session on them, and release all of it.

    ``shared``: the graphs of several sessions.
    """
    clock = MonotonicClock()
    ladder = read_ladder(inputs.ladder) if inputs.ladder else None
    with ExitStack() as stack:
        bundle = stack.enter_context(Bundle(find_bundle(inputs.bundle)))

        def consent(given: bool, by: str) -> None:
            session.consent(given, by)

        sources = open_sources(inputs, clock, periods_ms(bundle), consent)
        speaker = None if inputs.speaker == NONE else open_speaker(inputs.speaker)
        reword = stack.enter_context(rewording()) if inputs.reword else None
        parts = assemble(
            bundle,
            look_for=inputs.look_for,
            threads=inputs.threads,
            reword=reword,
            patience=Patience(),
            shared=shared,
        )
        if parts.faces is None:
            parts = replace(parts, faces=CompanionFaces())
        for source in sources:
            if source.modality not in (*parts.encoders, "vision", "audio"):
                raise BundleError(f"{bundle.path}: {unknown('modality', source.modality, parts.encoders)}")
        settings = SessionSettings(tick_ms=inputs.tick_ms, ladder=ladder)
        journal = RecordingJournal(inputs.record, inputs.privacy.keep_days) if inputs.record else None
        session = Session(
            parts, sources, speaker, settings=settings, clock=clock, journal=journal, privacy=inputs.privacy
        )
        kept = {rung.name for rung in session.core_settings.ladder}
        for name in (rung.name for rung in ladder or () if rung.name not in kept):
            note(f"rung {name} is left out: this session has nothing of what it gives up")
        wanted = inputs.look_for or known_labels(bundle)
        yield Live(stack.enter_context(session), sources, bundle, clock, wanted)


@contextmanager
def rewording() -> Iterator[Callable[[str], str]]:
    """The language model that says answers in other words, from the zoo's cache."""
    from sensorium_apps.reword import Reworder
    from sensorium_compile.zoo import Weights

    with closing(Reworder(Weights().path(REWORDER))) as reworder:
        yield reworder.reword


def open_sources(
    inputs: Inputs, clock: Clock, periods: Mapping[str, float] | None = None, consent: Consenting | None = None
) -> list[Watched]:
    """The sources that are not ``none``. The session opens them, and again when they were lost.

    ``periods``: of the sensors whose readings have no times of their own [ms]; ``consent``: told by typed commands.
    Raises SourceError for a sensor's name and for a fault of a source that is not there, PrivacyError for a network
    address where the policy has none.
    """
    faults = [Fault.parse(text) for text in inputs.faults]
    for address in filter(is_url, (inputs.camera, inputs.mic)):
        if inputs.privacy.network == "none":
            raise PrivacyError(f'{without_password(address)}: the privacy policy has network = "none"')
    known = periods or {}
    sensors = [open_sensor(text, clock, known.get(text.partition("=")[0], PERIOD_MS)) for text in inputs.sensors]
    text = open_text(inputs.text, clock)
    opened = (
        open_camera(inputs.camera, clock, isolate=inputs.isolate),
        open_microphone(inputs.mic, clock, isolate=inputs.isolate),
        Typed(text, consent) if text and consent else text,
        *sensors,
    )
    sources = [source for source in opened if source is not None]
    there = {source_name(source.modality) for source in sources}
    for fault in faults:
        if fault.source not in there:
            raise SourceError(f"--fault {fault}: {unknown('source', fault.source, there or (NONE,))}")
    failing = {fault.modality for fault in faults}
    return [Watched(Faulty(s, faults, clock) if s.modality in failing else s) for s in sources]


def periods_ms(bundle: Bundle) -> dict[str, float]:
    """How often the bundle's model wants readings of each sensor [ms]."""
    config = model_config(bundle)
    specs = config.modalities if config is not None else {}
    return {name: spec.period_ms for name, spec in specs.items() if spec.kind == "readings"}


def known_labels(bundle: Bundle) -> tuple[str, ...]:
    """What the bundle's trained model tells apart; empty where it has none."""
    config = model_config(bundle)
    return config.first_head.labels if config is not None else ()


def model_config(bundle: Bundle) -> ModelConfig | None:
    """The settings of the bundle's trained model, if it has one."""
    part = bundle.find(MODEL_ROLE)
    return None if part is None else parse_config(part)
