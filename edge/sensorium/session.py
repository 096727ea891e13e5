"""A live session: sources in, events out, through threads that each own one thing.

two threads a source, which read and encode by turns -> the core -> events
                                 loop thread (ticks) ->|     |-> worker thread (recognise, answer)
                                    ^                        `-> voice thread (speech)
                                    `--- inbox: results, progress, readings of the watch thread (temperature ...)

Whoever has the turn steps the core, one at a time: what was captured goes there in the thread that encoded it.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from sensorium.capture import Capture, SourceChanged
from sensorium.clock import NS_PER_MS, NS_PER_S, Clock, MonotonicClock
from sensorium.core import Core, CoreSettings
from sensorium.echo import EchoGuard
from sensorium.encoders import Encoder, attempt
from sensorium.encoding import Encoding
from sensorium.errors import SensoriumError
from sensorium.events import Event, Fault, HealthChanged
from sensorium.fallback import FallbackGraph
from sensorium.fusion import Fusion
from sensorium.jobs import Workshop
from sensorium.ladder import LADDER, Able, Readings, Rung, fitted
from sensorium.machine import Machine
from sensorium.policy import PRIVATE, PrivacyPolicy
from sensorium.privacy import Journal, Privacy, PrivateJournal
from sensorium.samples import AudioChunk, Line, Sample
from sensorium.source import AudioSink, Source
from sensorium.steps import (
    Check,
    Consent,
    Done,
    Effect,
    Finding,
    Hush,
    Job,
    Measured,
    Publish,
    Speak,
    Start,
    Step,
    Tick,
)
from sensorium.stream import Counts, Stream
from sensorium.veil import FaceFinder
from sensorium.voice import Synthesiser, Voice

log = logging.getLogger(__name__)

STREAM_CAPACITY = {"vision": 1}  # the newest picture only
ORDERED_CAPACITY = 128  # four seconds of 32 ms chunks: longer than any hiccup, short enough to catch up
KEPT_EVENTS = 4096  # for a consumer who is slow: at 5 percepts a second some ten minutes
WATCH_S = 1.0  # between two readings of the machine: temperature and memory change more slowly
CLOSE_S = 0.8  # for all threads together: who presses Ctrl-C waits less than a second


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How a session runs."""

    tick_ms: float = 200.0  # five answers a second: as fast as a person notices
    ladder: tuple[Rung, ...] | None = None  # None: the bundle's, or the usual one where it has none


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session is made of; ``sensorium.assemble`` makes it from a bundle."""

    encoders: dict[str, Encoder]
    fusion: Fusion | None
    workshop: Workshop
    synthesiser: Synthesiser | None = None
    look_for: tuple[str, ...] = ()  # the texts that percepts score, where they were asked for by name
    variants: tuple[str, ...] = ()  # of the trained model, that encoders know
    ladder: tuple[Rung, ...] | None = None  # the bundle's own
    backends: Mapping[str, str] = field(default_factory=dict)  # part/graph -> what executes it
    replaceable: Mapping[str, FallbackGraph] = field(default_factory=dict)  # by part/graph
    faces: FaceFinder | None = None  # without one, pictures whose faces are to be blurred are hidden whole


class Session:
    """Runs from ``__enter__`` to ``__exit__``. Iterate over it, or ``async for``, to get its events."""

    def __init__(
        self,
        parts: Parts,
        sources: Sequence[Source],
        speaker: AudioSink | None = None,
        *,
        settings: SessionSettings | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
        measure: Callable[[], Readings] | None = None,
        privacy: PrivacyPolicy = PRIVATE,
    ) -> None:
        """``measure`` tells once a second how the machine is doing; without one, Linux's files are read.

        ``privacy``: what ``journal`` and whoever asks ``Session.privacy`` may have; by default no face and no voice.
        """
        self._parts = parts
        self._settings = settings or SessionSettings()
        self._clock = clock or MonotonicClock()
        self.privacy = Privacy(privacy, parts.faces)
        self._journal = None if journal is None else PrivateJournal(journal, self.privacy, self._tell_privacy)
        self._inbox: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self._turn = threading.Lock()  # who has it may step the core
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._told = threading.Condition()
        self._stop = threading.Event()
        self._ended = False
        self._error: Exception | None = None  # what ended the loop
        self.events_dropped = 0
        self.ticks = 0
        self._period_ns = int(self._settings.tick_ms * NS_PER_MS)
        self._tick_ns = 0  # when the next one is due
        names = dict.fromkeys([*(s.modality for s in sources), "vision", "audio", "text", *parts.encoders])
        self._streams = {name: Stream[Sample](STREAM_CAPACITY.get(name, ORDERED_CAPACITY)) for name in names}
        self._echo = EchoGuard()
        self._voice: Voice | None = None
        if speaker is not None and parts.synthesiser is not None:
            self._voice = Voice(parts.synthesiser, speaker, self._clock, self._echo, self._post)
        self._measure = measure or Machine().read
        able = Able(
            "vision" in parts.encoders and any(source.modality == "vision" for source in sources),
            parts.variants,
            parts.workshop.reword is not None,
            self._voice is not None,
        )
        self.core_settings = CoreSettings(
            modalities=tuple(names),
            look_for=parts.look_for,
            wall_clock_s=time.time(),
            utc_offset_s=time.localtime().tm_gmtoff,
            started_ns=self._clock.now_ns(),
            ladder=fitted(self._settings.ladder or parts.ladder or LADDER, able),
            backends={**parts.backends, **{name: graph.backend for name, graph in parts.replaceable.items()}},
            privacy=self.privacy.policy,
        )
        self._core = Core(self.core_settings, parts.fusion)
        self._encodings = {name: self._encoding(encoder) for name, encoder in parts.encoders.items()}
        self._captures = [self._capture(source) for source in sources]
        targets = {"work": self._work, "watch": self._watch, "loop": self._run}
        self._threads = [threading.Thread(target=run, name=name, daemon=True) for name, run in targets.items()]

    def __enter__(self) -> Self:
        if self._journal is not None:
            self._journal.begin(self.core_settings)
            self._take(Consent(self.privacy.consent, "the privacy policy"))
        self._tick_ns = self._clock.now_ns() + self._period_ns
        given = {c.source.modality for c in self._captures}
        for name in self._streams:
            if name not in given and name != "text":
                self._take(SourceChanged(name, "lost", "no source was given"))
        if "text" not in given:
            self._take(SourceChanged("text", "open"))  # ``say`` is always there
        for graph in self._parts.replaceable.values():
            graph.tell(self._post)
        for thread in self._threads:
            thread.start()
        if "text" in self._encodings:
            self._encodings["text"].begin = self._encode_text
            self._encode_text()
        if self._voice is not None:
            self._voice.start()
        for capture in self._captures:
            capture.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End within a second: stop speaking, release the devices, join every thread. Twice is fine.

        A thread that a driver holds up is left behind, and the log says so.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        self._jobs.put(None)
        self._post(Check())  # wakes the loop
        devices = [(capture.source.name, capture.close) for capture in self._captures]
        if self._voice is not None:
            devices.insert(0, ("the speaker", self._voice.close))
        # Each may wait for its device, so they do it side by side.
        closers = [threading.Thread(target=c, name=f"close {n}", daemon=True) for n, c in devices]
        for closer in closers:
            closer.start()
        for stream in self._streams.values():
            stream.close()
        self._join([*self._threads, *closers])
        self._end()
        if self._journal is not None:
            self._journal.close()

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        deadline = time.monotonic() + CLOSE_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    log.warning("thread %s does not end; left behind", thread.name)

    def _end(self) -> None:
        with self._told:
            self._ended = True
            self._told.notify_all()

    def __iter__(self) -> Iterator[Event]:
        while (event := self.next_event()) is not None:
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        import asyncio  # a tenth of the runtime's import, and most sessions are read by a loop

        while (event := await asyncio.to_thread(self.next_event)) is not None:
            yield event

    def next_event(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None when the session has ended, or none came within ``timeout_s``.

        Raises what ended the session, if anything did but ``close``.
        """
        with self._told:
            self._told.wait_for(lambda: self._events or self._ended, timeout_s)
            if self._events:
                return self._events.popleft()
            if self._ended and self._error is not None:
                raise self._error
            return None

    def say(self, text: str) -> None:
        """Take in a line that the user typed."""
        now_ns = self._clock.now_ns()
        self._streams["text"].put(Line(now_ns, 0, text), now_ns)

    def consent(self, given: bool, by: str = "the user") -> None:
        """Say that what is seen and heard may be kept from now on, or no longer; the latter holds at once."""
        said = Consent(given, by)
        self.privacy.say(said)
        self._post(said)

    @property
    def counts(self) -> dict[str, Counts]:
        """What became of every modality's samples."""
        return {name: stream.counts for name, stream in self._streams.items()}

    # threads

    def _post(self, step: Step) -> None:
        self._inbox.put(step)

    def _encoding(self, encoder: Encoder) -> Encoding:
        """The turn at that encoder."""
        looked_ns = 0

        def encode(sample: Sample) -> None:
            nonlocal looked_ns
            if self._too_soon(encoder.modality, sample.captured_ns - looked_ns):
                return
            looked_ns = sample.captured_ns
            if isinstance(sample, AudioChunk):
                sample = self._echo.judge(sample)
            self._take(attempt(encoder, sample, self._core.rung.variant), sample)

        return Encoding(self._streams[encoder.modality], encode, WATCH_S)

    def _encode_text(self) -> None:
        """Lines are typed in any thread, and have one of their own that waits for them."""
        thread = threading.Thread(target=self._encodings["text"].wait, name="sense-text", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _capture(self, source: Source) -> Capture:
        encoding = self._encodings.get(source.modality) if source.modality != "text" else None
        return Capture(source, self._streams[source.modality], self._clock, self._take, encoding)

    def _take(self, step: Step, sample: Sample | None = None) -> None:
        """Step the core in the calling thread: a change of a source, and what was found in its samples after it."""
        with self._turn:
            if self._stop.is_set() or self._ended:
                return
            due_ns = self._tick_ns
            try:
                self._handle(step, sample)
            except Exception as err:
                self._fail(err)
            if self._tick_ns < due_ns or not isinstance(step, Finding):
                self._post(Check())  # the loop may have to wake sooner

    def _too_soon(self, modality: str, since_last_ns: int) -> bool:
        """Whether the ladder has this picture left out."""
        return modality == "vision" and since_last_ns < self._core.rung.vision_period_ns

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._post(Done(job.id, self._parts.workshop.run(job)))

    def _watch(self) -> None:
        while True:
            self._post(Measured(self._measure()))
            if self._stop.wait(WATCH_S):
                return
            for name, encoding in self._encodings.items():
                if encoding.look():
                    log.warning("the %s encoder hangs in a graph; its thread is left behind", name)

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as err:
            self._fail(err)

    def _fail(self, err: Exception) -> None:
        """End the session; whoever reads the events learns why."""
        self._error = err
        self._end()

    def _loop(self) -> None:
        while not self._stop.is_set() and not self._ended:
            step = self._wait(self._tick_ns)
            with self._turn:
                if step is not None:
                    self._handle(step, None)
                if self._clock.now_ns() >= self._tick_ns:
                    due_ns, self._tick_ns = self._tick_ns, self._tick_ns + self._period_ns
                    self._handle(Tick(due_ns, self._arrivals()), None)
                    self.ticks += 1
                elif step is None:
                    self._handle(Check(self._arrivals()), None)

    def _wait(self, due_ns: int) -> Step | None:
        """The next thing in the inbox, or None when it is time for a tick or a look at health."""
        check_ns = self._core.next_check_ns(self._arrivals())
        until_ns = due_ns if check_ns is None else min(due_ns, check_ns)
        try:
            left_s = (until_ns - self._clock.now_ns()) / NS_PER_S
            return self._inbox.get(timeout=left_s) if left_s > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def _arrivals(self) -> dict[str, int]:
        return {name: stream.last_put_ns for name, stream in self._streams.items()}

    def _handle(self, step: Step, sample: Sample | None) -> None:
        now_ns = self._clock.now_ns()
        if isinstance(step, Consent):
            self.privacy.take(step, now_ns)
        if self._journal is not None:
            self._record(lambda journal: journal.step(step, sample, now_ns))
        for effect in self._core.handle(step, now_ns):
            self._do(effect)
            if isinstance(effect, Publish) and isinstance(effect.event, HealthChanged) and not isinstance(step, Tick):
                self._tick_ns = min(self._tick_ns, now_ns)  # what it means for the answer is told at once

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Publish):
            self._tell(effect.event)
        elif isinstance(effect, Start):
            self._jobs.put(effect.job)
        elif self._voice is not None:
            if isinstance(effect, Speak):
                self._voice.say(effect.reply_id, effect.text)
            elif isinstance(effect, Hush):
                self._voice.hush()

    def _record(self, keep: Callable[[Journal], None]) -> None:
        """Keep something in the journal; one that fails (a full disk) is told and given up."""
        if self._journal is None:
            return
        try:
            keep(self._journal)
        except SensoriumError as err:
            journal, self._journal = self._journal, None
            with contextlib.suppress(SensoriumError):
                journal.close()
            self._tell(Fault(self._clock.now_ns(), "recording", str(err)))

    def _tell_privacy(self, reason: str) -> None:
        self._tell(Fault(self._clock.now_ns(), "privacy", reason))

    def _tell(self, event: Event) -> None:
        self._record(lambda journal: journal.event(event))
        with self._told:
            self.events_dropped += len(self._events) == KEPT_EVENTS
            self._events.append(event)
            self._told.notify()
