"""The one place that a policy is enforced in: all that leaves a session goes through ``Privacy``.

Pictures that leave go through ``shown``, recordings through ``PrivateJournal``, and whatever else writes
a file asks ``keeps`` first.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from sensorium.capture import SourceChanged
from sensorium.core import CoreSettings
from sensorium.errors import RecordingError, SensoriumError
from sensorium.events import ConsentChanged, Event, Reply, Utterance
from sensorium.policy import Kind, PrivacyPolicy
from sensorium.samples import AudioChunk, Frame, Line, Sample
from sensorium.steps import Consent, Done, Finding, Replaced, Responded, Step
from sensorium.veil import FaceFinder, Veil, Veiled

WAITING = 4  # pictures that wait to be looked through: 4 MB at 640x480
CLOSE_S = 0.5  # for the picture that is looked through when a session ends
UNKEPT = 64  # questions that wait for their answers at most; an older one was never answered

_KINDS: dict[type[Sample], Kind] = {Frame: "vision", AudioChunk: "audio", Line: "text"}
# How devices and backends stand, which says nothing of anybody and is needed when a paused recording goes on.
_IMPERSONAL = (SourceChanged, Replaced)


class Journal(Protocol):
    """Where a recording goes: every step in the order the core took them, samples with their content."""

    def begin(self, settings: CoreSettings) -> None:
        """Called once, before the first step."""
        ...

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        """One step; ``sample`` is what a Finding was made of."""
        ...

    def event(self, event: Event) -> None:
        """What the core told, for people who read the recording."""
        ...

    def close(self) -> None:
        """Called once, at the end."""
        ...


class Privacy:
    """A policy, and whether there is consent now. Any thread may ask."""

    def __init__(self, policy: PrivacyPolicy, faces: FaceFinder | None = None) -> None:
        """``faces`` None: pictures whose faces are to be blurred are hidden whole."""
        self.policy = policy
        self._veil = Veil(faces)
        self._given = policy.consent == "given"
        self._said: Consent | None = None  # the last that was said; an earlier one that is taken late changes nothing
        self._since_ns = 0  # when it was last given

    @property
    def consent(self) -> bool:
        """Whether there is consent: its end holds at once, its beginning once the step of it was taken."""
        return self._given

    def say(self, consent: Consent) -> None:
        """What somebody says, from any thread."""
        self._said = consent
        if not consent.given:
            self._given = False

    def take(self, consent: Consent, now_ns: int) -> None:
        """The core takes this step now."""
        if consent is self._said and consent.given and not self._given:
            self._given, self._since_ns = True, now_ns

    def covers(self, began_ns: int) -> bool:
        """Whether there is consent, and was when this began: what came before is not kept because it took its time."""
        return self.consent and began_ns >= self._since_ns

    def keeps(self, kind: Kind) -> bool:
        """Whether this may be kept now, in whatever file."""
        return self.consent and kind in self.policy.keep

    def shown(self, frame: Frame) -> Veiled:
        """The frame as it may leave the runtime."""
        return Veiled(frame) if self.policy.faces == "sharp" else self._veil.over(frame)

    def may(self, sample: Sample) -> bool:
        """Whether this sample may be kept; a frame as ``shown`` gives it."""
        return _KINDS.get(type(sample), "readings") in self.policy.keep and self.covers(sample.captured_ns)


class PrivateJournal:
    """A journal that is given only what may be kept, in a thread of its own where faces are to be blurred.

    So a session does not wait for that; a picture that comes while ``WAITING`` others wait is left out.
    """

    def __init__(self, journal: Journal, privacy: Privacy, tell: Callable[[str], None] = lambda _: None) -> None:
        """``tell``: why pictures are hidden whole, each reason once; from that thread."""
        self._journal, self._privacy, self._tell = journal, privacy, tell
        self._unkept: deque[str] = deque(maxlen=UNKEPT)  # questions whose answers are not kept either
        self._told = ""
        self._error: SensoriumError | None = None  # of the thread, for the next call
        self._room = threading.Semaphore(WAITING)
        self._closing, self._late = threading.Event(), threading.Event()
        self._todo: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if privacy.policy.faces == "blurred" and "vision" in privacy.policy.keep:
            self._thread = threading.Thread(target=self._work, name="keep", daemon=True)

    def begin(self, settings: CoreSettings) -> None:
        """The settings, the policy among them, are kept in any case."""
        self._journal.begin(settings)
        if self._thread is not None:
            self._thread.start()

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        """Keep the step, unless consent or the policy forbid it; a change of consent in any case."""
        if isinstance(step, Finding):
            self._keep_sample(step, sample, now_ns)
        elif (
            isinstance(step, Consent)
            or self._privacy.keeps("events")
            or (isinstance(step, _IMPERSONAL) and "events" in self._privacy.policy.keep)
        ):
            kept = self._without_words(step)
            self._do(lambda: self._journal.step(kept, None, now_ns))

    def event(self, event: Event) -> None:
        """The same for an event."""
        heard = self._heard(event)
        if isinstance(event, ConsentChanged) or (heard and self._privacy.keeps("events")):
            self._do(lambda: self._journal.event(event))

    def close(self) -> None:
        """Close the journal; pictures that still wait are left out."""
        self._closing.set()
        self._todo.put(None)
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join(CLOSE_S)
            if self._thread.is_alive():  # its picture takes too long; all that waits behind it is kept
                self._late.set()
                self._drain()
        self._journal.close()

    def _do(self, write: Callable[[], None]) -> None:
        """Write now, or after what waits; raises what the thread met."""
        if self._error is not None:
            raise self._error
        if self._thread is None:
            write()
        else:
            self._todo.put(write)

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                write = self._todo.get_nowait()
                if write is not None:
                    write()

    def _work(self) -> None:
        while (write := self._todo.get()) is not None:
            try:
                write()
            except Exception as err:  # whatever it is, the recording ends, and the session is told
                told = RecordingError(f"{type(err).__name__}: {err}")
                self._error = err if isinstance(err, SensoriumError) else told
                return

    def _keep_sample(self, step: Finding, sample: Sample | None, now_ns: int) -> None:
        if sample is None or not self._privacy.may(sample):
            return
        if self._thread is None or not isinstance(sample, Frame):
            self._do(lambda: self._journal.step(step, sample, now_ns))
        elif self._room.acquire(blocking=False):
            self._do(lambda: self._keep_picture(step, sample, now_ns))

    def _keep_picture(self, step: Finding, frame: Frame, now_ns: int) -> None:
        self._room.release()
        if self._closing.is_set():
            return
        veiled = self._privacy.shown(frame)
        if veiled.failure and veiled.failure != self._told:
            self._tell(veiled.failure)
        self._told = veiled.failure
        if self._privacy.consent and not self._late.is_set():
            self._journal.step(step, veiled.frame, now_ns)

    def _heard(self, event: Event) -> bool:
        """Whether an event has no words, or such as may be kept."""
        if isinstance(event, Utterance):
            kept = self._privacy.keeps("text") and self._privacy.covers(event.started_ns)
            if not kept and event.final:
                self._unkept.append(event.text)
            return kept
        if isinstance(event, Reply):
            if event.question in self._unkept:
                self._unkept.remove(event.question)
                return False
            return self._privacy.keeps("text")
        return True

    def _without_words(self, step: Step) -> Step:
        if "text" in self._privacy.policy.keep or not (isinstance(step, Done) and isinstance(step.result, Responded)):
            return step
        return replace(step, result=replace(step.result, reworded=None))
