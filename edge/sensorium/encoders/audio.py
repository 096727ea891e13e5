"""Sound: what is wrong with it, who speaks from when to when, and what else is heard."""

import logging
from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.components.sound import SoundTagger
from sensorium.components.voice_activity import (
    CHUNK,
    RATE_HZ,
    GateEvent,
    GateState,
    SpeechBegins,
    SpeechGate,
    VoiceActivity,
)
from sensorium.echo import OWN_VOICE
from sensorium.errors import SampleError
from sensorium.events import Guess
from sensorium.evidence import Evidence, Phrase
from sensorium.health import ABSENT_AFTER_NS, SoundHealth
from sensorium.samples import AudioChunk, Sample
from sensorium.steps import Finding, SpeechBegan, SpeechPaused, SpeechSign, SpeechSoFar

log = logging.getLogger(__name__)

# A pause of 300 ms is where a turn may end; shorter ones are between words. 200 ms around a stretch keep its
# first and last consonants, which the voice detector hears late.
GATE = SpeechGate(min_silence=RATE_HZ * 300 // 1000, before=RATE_HZ // 5, after=RATE_HZ // 5)
SO_FAR_NS = 800 * NS_PER_MS  # between two partial texts: a few words
TAG_NS = NS_PER_S  # sounds are named once a second ...
TAG_SAMPLES = 2 * RATE_HZ  # ... from the last two
NAMED = 0.8  # probability from which on a sound is told: below, noises that it never heard are named too
GAP_NS = 500 * NS_PER_MS  # of lost sound, over which no speech goes on: longer than a device's clock is corrected by
KEPT_SAMPLES = (GATE.longest + 2 * RATE_HZ) // CHUNK * CHUNK  # the longest stretch, and what goes before it


class AudioEncoder:
    """Listens chunk by chunk."""

    modality = "audio"

    def __init__(self, voice_activity: VoiceActivity | None, tagger: SoundTagger | None) -> None:
        self._voice = voice_activity.stream() if voice_activity else None
        self._tagger = tagger
        self._health = SoundHealth()
        self._end_ns: int | None = None  # of the newest chunk
        self._told_ns = 0  # when a partial stretch was last given
        self._tagged_ns = 0
        self._forget()

    def _forget(self) -> None:
        self._gate = GateState()
        self._kept: deque[NDArray[np.float32]] = deque(maxlen=KEPT_SAMPLES // CHUNK)
        self._begun: int | None = None  # where the stretch under way began [samples]
        self._alone = 0  # samples without speech, the machine's too, until now
        self._named: tuple[str, ...] = ()  # sounds of the window before

    def encode(self, sample: Sample) -> Finding:
        """Health, speech and sounds of one chunk of 512 samples at 16 kHz."""
        if not isinstance(sample, AudioChunk) or sample.rate_hz != RATE_HZ or len(sample.samples) != CHUNK:
            raise SampleError(f"the audio encoder takes chunks of {CHUNK} samples at {RATE_HZ} Hz")
        end_ns = sample.captured_ns + sample.duration_ns
        fault = self._health.step(sample.samples, end_ns)
        cut_off = self._begin_anew(sample.captured_ns)
        self._end_ns = end_ns
        failures: list[str] = []
        samples = sample.heard
        self._kept.append(samples)
        speech = self._listen(samples, sample.echo, end_ns, failures)
        self._alone = self._alone + CHUNK if sample.cleaned is None and self._gate.stretch is None else 0
        sounds = self._tag(end_ns, failures)
        return Finding(
            "audio",
            sample.captured_ns,
            fault=fault,
            evidence=(_evidence(sounds, end_ns),) if sounds else (),  # a quiet cat is no absent cat
            sounds=sounds,
            speech=(*cut_off, *speech),
            failures=tuple(failures),
        )

    def _begin_anew(self, captured_ns: int) -> tuple[SpeechSign, ...]:
        """Forget what came before a gap; speech that it cut off has ended there, or is lost with its turn."""
        before_ns = self._end_ns
        if before_ns is None or captured_ns - before_ns < GAP_NS:
            return ()
        self._gate, ended = GATE.finish(self._gate)
        signs = [self._sign(event, before_ns) for event in ended]
        self._forget()
        if self._voice is not None:
            self._voice.reset()
        return tuple(signs) if captured_ns - before_ns < ABSENT_AFTER_NS else ()

    def _listen(
        self, samples: NDArray[np.float32], echo: float, end_ns: int, failures: list[str]
    ) -> tuple[SpeechSign, ...]:
        if self._voice is None:
            return ()
        try:
            probability = self._voice.probability(samples)
        except Exception as err:  # a backend's own exceptions share no base class
            log.exception("voice activity failed")
            failures.append(f"voice activity: {type(err).__name__}: {err}")
            probability = 0.0  # the gate counts this chunk too, or its places would no longer fit
        self._gate, told = GATE.step(self._gate, probability if echo < OWN_VOICE else 0.0)
        signs = [self._sign(event, end_ns) for event in told]
        if self._begun is not None and not told and end_ns - self._told_ns >= SO_FAR_NS:
            self._told_ns = end_ns
            started_ns = self._time_ns(self._begun, end_ns)
            signs.append(SpeechSoFar(self._cut(self._begun, self._gate.heard), started_ns, end_ns))
        return tuple(signs)

    def _sign(self, event: GateEvent, end_ns: int) -> SpeechSign:
        started_ns = self._time_ns(event.start, end_ns)
        if isinstance(event, SpeechBegins):
            self._begun, self._told_ns = event.start, end_ns
            return SpeechBegan(started_ns)
        self._begun = None
        return SpeechPaused(self._cut(event.start, event.end), started_ns, self._time_ns(event.end, end_ns))

    def _time_ns(self, place: int, end_ns: int) -> int:
        """When the sample at ``place`` was captured, the newest one at ``end_ns``."""
        return end_ns - (self._gate.heard - place) * NS_PER_S // RATE_HZ

    def _cut(self, start: int, end: int) -> NDArray[np.float32]:
        """The samples from ``start`` to ``end``, as far back as they are kept."""
        kept_from = self._gate.heard - len(self._kept) * CHUNK
        first = max(0, start - kept_from) // CHUNK
        pieces = [self._kept[i] for i in range(first, len(self._kept))]
        joined = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        origin = kept_from + first * CHUNK
        return joined[max(0, start - origin) : max(0, end - origin)]

    def _tag(self, end_ns: int, failures: list[str]) -> tuple[Guess, ...] | None:
        """Sounds of the last two seconds, once a second, where nobody spoke and nothing was played.

        A sound is told when two windows, which overlap by half, agree on it.
        """
        if self._tagger is None or self._alone < TAG_SAMPLES or end_ns - self._tagged_ns < TAG_NS:
            return None
        self._tagged_ns = end_ns
        pieces = [self._kept[i] for i in range(len(self._kept) - TAG_SAMPLES // CHUNK, len(self._kept))]
        try:
            probabilities = self._tagger.tag(np.concatenate(pieces))
        except Exception as err:  # as above
            log.exception("sound tagger failed")
            failures.append(f"sound: {type(err).__name__}: {err}")
            return None
        pairs = zip(self._tagger.labels, probabilities.tolist(), strict=True)
        sounds = [Guess(name, p) for name, p in pairs if p >= NAMED and name in self._tagger.told]
        before, self._named = self._named, tuple(s.name for s in sounds)
        return tuple(s for s in sounds if s.name in before)


def _evidence(sounds: tuple[Guess, ...], at_ns: int) -> Evidence:
    return Evidence("audio", tuple(Phrase(s.name, min(1.0, s.probability)) for s in sounds), at_ns)
