"""Sound for a learned model: judged, cut into utterances or taken as it comes, and encoded."""

import logging
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.components.voice_activity import (
    CHUNK,
    RATE_HZ,
    GateState,
    SpeechEnds,
    SpeechGate,
)
from sensorium.echo import OWN_VOICE
from sensorium.encoders import FAILING
from sensorium.errors import SampleError
from sensorium.health import SoundHealth
from sensorium.inputs import SoundInput, prepare_sound
from sensorium.learned.loudness import QUIETEST_DBFS, Loudness, level_dbfs
from sensorium.learned.tower import Tower
from sensorium.samples import AudioChunk, Sample
from sensorium.steps import Finding

log = logging.getLogger(__name__)

MIN_UTTERANCE = RATE_HZ * 96 // 1000  # three chunks: a short word ("eight") has 150 ms, a click 20
MIN_SILENCE = RATE_HZ * 200 // 1000  # the stop within a word ("six") lasts up to 150 ms
AROUND = RATE_HZ // 10  # kept before and after: soft consonants stay below the threshold
SO_FAR_NS = 200 * NS_PER_MS  # an utterance under way is looked at so often, as a session ticks ...
SO_FAR_MIN = RATE_HZ * 300 // 1000  # ... once there is most of a word
# A breath or a click of the lips after a word is not another word: what is so much softer than one before.
SOFTER_DB, JUST_BEFORE = 15.0, 3 * RATE_HZ
ALWAYS_NS = NS_PER_S  # sound that is always listened to is looked at once a second
GAP_NS = 500 * NS_PER_MS  # of lost sound, over which nothing goes on


class Noticing(Protocol):
    """Tells how probable it is that a chunk belongs to an utterance."""

    def probability(self, chunk: NDArray[np.float32]) -> float:
        """Take in the next float32 (512,) at 16 kHz."""
        ...

    def reset(self) -> None:
        """Forget what came before."""
        ...


class LearnedSounds:
    """One thread at a time uses it. ``voice``: a voice detector's stream; without one, loudness decides."""

    def __init__(
        self,
        tower: Tower,
        spec: SoundInput,
        voice: Noticing | None = None,
        variants: Mapping[str, tuple[Tower, SoundInput]] | None = None,
    ) -> None:
        """``variants``: the same on shorter sounds, by name."""
        self.modality = tower.modality
        self._forms = {**(variants or {}), "": (tower, spec)}
        self._tower, self._spec = tower, spec
        self._noticing: Noticing = voice or Loudness()
        self._health = SoundHealth()
        self._gate = SpeechGate(
            min_speech=MIN_UTTERANCE, min_silence=MIN_SILENCE, before=AROUND, after=AROUND, longest=spec.samples
        )
        kept = 2 * spec.samples + 2 * RATE_HZ
        self._kept: deque[NDArray[np.float32]] = deque(maxlen=kept // CHUNK)
        self._end_ns: int | None = None
        self._failing = False
        self._forget()

    def _forget(self) -> None:
        self._noticing.reset()
        self._state = GateState()
        self._kept.clear()
        self._told_end = 0  # where the last whole utterance ended [samples]
        self._told_level = -np.inf  # and how loud it was [dB of full scale]
        self._looked_ns = 0
        self._alone = 0  # samples while the machine played nothing until now

    def use_variant(self, name: str) -> None:
        """Go on with that variant; an utterance under way goes on."""
        self._tower, self._spec = self._forms.get(name, self._forms[""])

    def encode(self, sample: Sample) -> Finding:
        """Health, and the tokens of an utterance when there is one, of one chunk of 512 samples at 16 kHz."""
        if not isinstance(sample, AudioChunk) or sample.rate_hz != RATE_HZ or len(sample.samples) != CHUNK:
            raise SampleError(f"the {self.modality} encoder takes chunks of {CHUNK} samples at {RATE_HZ} Hz")
        end_ns = sample.captured_ns + sample.duration_ns
        fault = self._health.step(sample.samples, end_ns)
        if self._end_ns is not None and sample.captured_ns - self._end_ns >= GAP_NS:
            self._forget()
        self._end_ns = end_ns
        samples = sample.heard
        self._kept.append(samples)
        own = sample.echo >= OWN_VOICE
        self._alone = self._alone + CHUNK if sample.cleaned is None else 0
        window = self._newest(end_ns) if self._spec.listen == "always" else self._utterance(samples, own, end_ns)
        if fault is not None or window is None:
            return Finding(self.modality, sample.captured_ns, fault=fault or (FAILING if self._failing else None))
        failures: list[str] = []
        tokens = self._tower.attempt(window, failures)
        self._failing = tokens is None
        evidence = () if tokens is None else (self._tower.evidence(tokens, end_ns),)
        return Finding(
            self.modality,
            sample.captured_ns,
            fault=FAILING if self._failing else None,
            evidence=evidence,
            failures=tuple(failures),
        )

    def _newest(self, end_ns: int) -> NDArray[np.float32] | None:
        """The newest stretch, once a second, where there is something in it and nothing was played."""
        heard = len(self._kept) * CHUNK
        wanted = min(self._spec.samples, heard)
        if heard < min(self._spec.samples, RATE_HZ) or self._alone < wanted or end_ns - self._looked_ns < ALWAYS_NS:
            return None
        self._looked_ns = end_ns
        sound = np.concatenate(list(self._kept))[-wanted:]
        return None if level_dbfs(sound) < QUIETEST_DBFS else prepare_sound(sound, self._spec)

    def _utterance(self, samples: NDArray[np.float32], own: bool, end_ns: int) -> NDArray[np.float32] | None:
        """The window of an utterance that has ended with this chunk, or of one that goes on, now and then."""
        probability = self._noticing.probability(samples)
        self._state, events = self._gate.step(self._state, 0.0 if own else probability)
        ends = [event for event in events if isinstance(event, SpeechEnds)]
        if ends:
            return self._ended(ends[-1], end_ns)
        stretch = self._state.stretch
        if stretch is None or not stretch.sure or stretch.quiet is not None:
            return None
        if self._state.heard - stretch.start < SO_FAR_MIN or end_ns - self._looked_ns < SO_FAR_NS:
            return None
        start = max(self._told_end, stretch.start - AROUND)
        if self._is_soft(start, self._state.heard):
            return None
        self._looked_ns = end_ns
        return self._window(start, self._state.heard)

    def _ended(self, event: SpeechEnds, end_ns: int) -> NDArray[np.float32] | None:
        if self._is_soft(event.start, event.end):
            return None
        window = self._window(event.start, event.end)
        self._looked_ns, self._told_end = end_ns, event.end
        self._told_level = self._level(event.start, event.end)
        return window

    def _is_soft(self, start: int, end: int) -> bool:
        just_before = start - self._told_end < JUST_BEFORE
        return just_before and self._level(start, end) < self._told_level - SOFTER_DB

    def _level(self, start: int, end: int) -> float:
        """Of the loudest chunk between these places [dB of full scale]."""
        first = self._state.heard // CHUNK - len(self._kept)  # number of the oldest kept chunk
        chunks = range(max(start // CHUNK - first, 0), min(-(-end // CHUNK) - first, len(self._kept)))
        return max((level_dbfs(self._kept[i]) for i in chunks), default=-np.inf)

    def _window(self, start: int, end: int) -> NDArray[np.float32]:
        """The utterance from ``start`` to ``end`` in the middle of what was heard around it, float32 (samples,).

        What belongs to the utterance before is left out, and what is yet to be heard is zeros.
        """
        size = self._spec.samples
        first = self._state.heard - len(self._kept) * CHUNK  # place of the oldest kept sample
        sound = np.concatenate(list(self._kept))
        if end - start >= size:
            return prepare_sound(sound[max(0, start - first) : end - first], self._spec)
        left = (start + end - size) // 2
        begin, stop = max(left, self._told_end, first), min(left + size, self._state.heard)
        window = np.zeros(size, np.float32)
        window[begin - left : stop - left] = sound[begin - first : stop - first]
        return window
