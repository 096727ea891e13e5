"""The one place that a policy is enforced in: all that leaves a session goes through ``Privacy``.

Pictures that are shown go through ``shown``, samples that are kept through ``kept``, recordings through
``PrivateJournal``, and whatever else writes a file asks ``keeps`` first.
"""

from dataclasses import replace
from typing import Protocol

from sensorium.capture import SourceChanged
from sensorium.core import CoreSettings
from sensorium.events import ConsentChanged, Event, Reply, Utterance
from sensorium.policy import Kind, PrivacyPolicy
from sensorium.samples import AudioChunk, Frame, Line, Sample
from sensorium.steps import Consent, Done, Finding, Replaced, Responded, Step
from sensorium.veil import FaceFinder, Veil, Veiled

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
        self._agreed = self._noted = policy.consent == "given"

    @property
    def consent(self) -> bool:
        """Whether there is consent: withdrawn at once, given from the step on that says so."""
        return self._agreed and self._noted

    def agree(self, agreed: bool) -> None:
        """What the user says; consent counts once the step of it was taken, its end at once."""
        self._agreed = agreed

    def take(self, consent: Consent) -> None:
        """The core takes this step now."""
        self._noted = consent.given

    def keeps(self, kind: Kind) -> bool:
        """Whether this may be kept now, in whatever file."""
        return self.consent and kind in self.policy.keep

    def shown(self, frame: Frame) -> Veiled:
        """The frame as it may leave the runtime."""
        return Veiled(frame) if self.policy.faces == "sharp" else self._veil.over(frame)

    def kept(self, sample: Sample) -> tuple[Sample | None, str]:
        """The sample as it may be kept, None where it may not; and what failed on the way."""
        if not self.keeps(_KINDS.get(type(sample), "readings")):
            return None, ""
        if not isinstance(sample, Frame):
            return sample, ""
        veiled = self.shown(sample)
        return veiled.frame, veiled.failure


class PrivateJournal:
    """A journal that is given only what may be kept. Samples come here as ``Privacy.kept`` gave them."""

    def __init__(self, journal: Journal, privacy: Privacy) -> None:
        self._journal, self._privacy = journal, privacy

    def begin(self, settings: CoreSettings) -> None:
        """The settings, the policy among them, are kept in any case."""
        self._journal.begin(settings)

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        """Keep the step, unless consent or the policy forbid it; a change of consent in any case."""
        if isinstance(step, Consent):
            self._journal.step(step, None, now_ns)
        elif isinstance(step, Finding):
            if sample is not None and self._privacy.consent:
                self._journal.step(step, sample, now_ns)
        elif self._privacy.keeps("events") or (isinstance(step, _IMPERSONAL) and "events" in self._privacy.policy.keep):
            self._journal.step(self._without_words(step), None, now_ns)

    def event(self, event: Event) -> None:
        """The same for an event."""
        words = isinstance(event, Utterance | Reply)
        if isinstance(event, ConsentChanged) or (
            self._privacy.keeps("events") and not (words and "text" not in self._privacy.policy.keep)
        ):
            self._journal.event(event)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _without_words(self, step: Step) -> Step:
        if "text" in self._privacy.policy.keep or not (isinstance(step, Done) and isinstance(step.result, Responded)):
            return step
        return replace(step, result=replace(step.result, reworded=None))
