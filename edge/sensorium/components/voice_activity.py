"""Where somebody speaks: Silero VAD gives a probability every 32 ms, a gate makes stretches of them.

https://github.com/snakers4/silero-vad (MIT), version 6. The gate follows its ``get_speech_timestamps``.
"""

from collections import deque
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sensorium.backends import Graph
from sensorium.bundle import Part
from sensorium.errors import SampleError

RATE_HZ = 16_000
CHUNK = 512  # 32 ms: the only size the model takes at 16 kHz
_CONTEXT = 64  # samples of the chunk before that the model sees again
_STATE = (2, 1, 128)  # its LSTM's

Samples = NDArray[np.float32]


class VoiceActivityConfig(BaseModel):
    """Settings of the part: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VoiceActivity:
    """The model. Every microphone or file gets a stream of its own."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        VoiceActivityConfig.model_validate(part.config)
        self._graph = part.graph("model", threads=threads)

    def stream(self) -> "VoiceStream":
        """A stream that has heard nothing yet."""
        return VoiceStream(self._graph)


class VoiceStream:
    """The model's memory of one sound."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.reset()

    def reset(self) -> None:
        """Forget everything: as good as new."""
        self._state = np.zeros(_STATE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)

    def probability(self, chunk: Samples) -> float:
        """Probability in [0, 1] that somebody speaks in the next 512 samples, float32 at 16 kHz.

        Raises SampleError, and remembers nothing of it, for another size or type, NaN or infinity.
        """
        if chunk.dtype != np.float32 or chunk.shape != (CHUNK,):
            raise SampleError(
                f"voice activity takes float32 ({CHUNK},) at {RATE_HZ} Hz; given {chunk.dtype} {chunk.shape}"
            )
        if not np.isfinite(chunk).all():
            raise SampleError("the chunk holds NaN or infinite samples; repair or drop them first")
        seen = np.concatenate([self._context, chunk])  # (576,)
        out = self._graph.run({"input": seen[None], "state": self._state, "sr": np.array(RATE_HZ, np.int64)})
        self._state, self._context = out["stateN"], seen[-_CONTEXT:]
        return float(out["output"].item())


# The gate: pure. Places are counted in samples from the stream's beginning.


@dataclass(frozen=True, slots=True)
class SpeechBegins:
    """It is sure now that somebody speaks, since ``start``."""

    start: int


@dataclass(frozen=True, slots=True)
class SpeechEnds:
    """A stretch of speech is over; its SpeechBegins had the same ``start``."""

    start: int
    end: int


GateEvent: TypeAlias = SpeechBegins | SpeechEnds


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech under way."""

    start: int
    sure: bool = False  # long enough to count, and told
    quiet: int | None = None  # where the pause under way began
    pauses: tuple[tuple[int, int], ...] = ()  # earlier pauses, from and to


@dataclass(frozen=True, slots=True)
class GateState:
    """What the gate knows after some chunks."""

    heard: int = 0
    stretch: Stretch | None = None
    told: int = 0  # end of the last stretch that was told


GateStep: TypeAlias = tuple[GateState, tuple[GateEvent, ...]]


@dataclass(frozen=True, slots=True)
class SpeechGate:
    """From probabilities to stretches of speech. All lengths in samples; the defaults are Silero's own."""

    onset: float = 0.5  # speech begins at this probability
    offset: float = 0.35  # and may end below this one
    min_speech: int = RATE_HZ * 250 // 1000  # what is not longer was no speech
    min_silence: int = RATE_HZ * 100 // 1000  # what is shorter is only a pause
    before: int = RATE_HZ * 30 // 1000  # kept before the speech
    after: int = RATE_HZ * 30 // 1000  # kept after it
    longest: int = RATE_HZ * 30  # the longest that Moonshine was trained on; Silero sets no limit

    def step(self, state: GateState, probability: float) -> GateStep:
        """The state after one more chunk, and what became certain with it."""
        place, heard = state.heard, state.heard + CHUNK
        loud, silent = probability >= self.onset, probability < self.offset
        if state.stretch is None:
            return self._make_sure(GateState(heard, Stretch(place) if loud else None, state.told))
        stretch = _follow(state.stretch, place, loud=loud, silent=silent)
        state = GateState(heard, stretch, state.told)
        if silent and stretch.quiet is not None and place - stretch.quiet >= self.min_silence:
            return self.finish(state)
        if heard - stretch.start > self.longest:
            return self._cut(state, stretch)
        return self._make_sure(state)

    def finish(self, state: GateState) -> GateStep:
        """The sound is over, so the speech under way is too."""
        stretch = state.stretch
        if stretch is None or not stretch.sure:
            return GateState(state.heard, None, state.told), ()
        end = min(state.heard, (state.heard if stretch.quiet is None else stretch.quiet) + self.after)
        return GateState(state.heard, None, end), (SpeechEnds(self._kept_from(state, stretch), end),)

    def _make_sure(self, state: GateState) -> GateStep:
        stretch = state.stretch
        if stretch is None or stretch.sure or stretch.quiet is not None:
            return state, ()
        if state.heard - stretch.start <= self.min_speech:
            return state, ()
        begins = SpeechBegins(self._kept_from(state, stretch))
        return replace(state, stretch=replace(stretch, sure=True)), (begins,)

    def _cut(self, state: GateState, stretch: Stretch) -> GateStep:
        """End a stretch that became too long in its longest late pause; where it has none, here."""
        if stretch.quiet is not None:
            return self.finish(state)
        late = [pause for pause in stretch.pauses if pause[0] - stretch.start >= self.longest // 2]
        here = (state.heard, state.heard)
        quiet, resumed = max(late or stretch.pauses, key=lambda pause: pause[1] - pause[0], default=here)
        ends = SpeechEnds(self._kept_from(state, stretch), min(quiet + self.after, resumed))
        later = tuple(pause for pause in stretch.pauses if pause[0] > resumed)
        state, begins = self._make_sure(GateState(state.heard, Stretch(resumed, pauses=later), ends.end))
        return state, (ends, *begins)

    def _kept_from(self, state: GateState, stretch: Stretch) -> int:
        return max(state.told, stretch.start - self.before)


def _follow(stretch: Stretch, place: int, *, loud: bool, silent: bool) -> Stretch:
    """The stretch after the chunk at ``place``: a pause begins, goes on or ends."""
    if loud and stretch.quiet is not None:
        return replace(stretch, quiet=None, pauses=(*stretch.pauses, (stretch.quiet, place)))
    if silent and stretch.quiet is None:
        return replace(stretch, quiet=place)
    return stretch


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """A whole stretch of speech, cut out of the sound."""

    start: int
    samples: Samples  # (n,)

    @property
    def end(self) -> int:
        """Where it ends in the stream [samples]."""
        return self.start + len(self.samples)


class SpeechCutter:
    """Cuts the speech out of a sound that comes in pieces of any length, and keeps no more than it must."""

    def __init__(self, stream: VoiceStream, gate: SpeechGate) -> None:
        self._stream, self._gate = stream, gate
        self.reset()

    def reset(self) -> None:
        """Forget everything: as good as new."""
        self._stream.reset()
        self._state = GateState()
        self._rest = np.zeros(0, np.float32)  # less than a chunk
        self._kept: deque[Samples] = deque()  # whole chunks
        self._kept_from = 0  # place of the first kept sample

    def feed(self, samples: Samples) -> list[SpeechBegins | Spoken]:
        """Take in float32 (n,) at 16 kHz; the events that became certain.

        Raises SampleError for NaN or infinity; none of ``samples`` is taken in then.
        """
        if samples.dtype != np.float32 or samples.ndim != 1 or not np.isfinite(samples).all():
            given = f"{samples.dtype} {samples.shape}"
            raise SampleError(f"speech is cut from finite float32 (n,) at {RATE_HZ} Hz; given {given}")
        sound = np.concatenate([self._rest, samples])
        whole = len(sound) // CHUNK * CHUNK
        self._rest = sound[whole:]
        return [event for chunk in sound[:whole].reshape(-1, CHUNK) for event in self._hear(chunk)]

    def finish(self) -> list[SpeechBegins | Spoken]:
        """The sound is over: what is still under way, and as good as new again."""
        length = self._state.heard + len(self._rest)
        events = self.feed(np.zeros(-len(self._rest) % CHUNK, np.float32))
        self._state, ended = self._gate.finish(self._state)
        events += [self._told(event) for event in ended]
        self.reset()
        return [_trim(event, length) if isinstance(event, Spoken) else event for event in events]

    def _hear(self, chunk: Samples) -> list[SpeechBegins | Spoken]:
        probability = self._stream.probability(chunk)
        self._kept.append(chunk)
        self._state, events = self._gate.step(self._state, probability)
        told = [self._told(event) for event in events]
        self._forget()
        return told

    def _told(self, event: GateEvent) -> SpeechBegins | Spoken:
        if isinstance(event, SpeechBegins):
            return event
        return Spoken(event.start, self._between(event.start, event.end))

    def _between(self, start: int, end: int) -> Samples:
        sound = np.concatenate([*self._kept]) if self._kept else np.zeros(0, np.float32)
        return sound[start - self._kept_from : end - self._kept_from].copy()

    def _forget(self) -> None:
        stretch = self._state.stretch
        needed = (self._state.heard if stretch is None else stretch.start) - self._gate.before
        while self._kept and self._kept_from + CHUNK <= needed:
            self._kept.popleft()
            self._kept_from += CHUNK


def _trim(spoken: Spoken, length: int) -> Spoken:
    """Without the zeros that filled the last chunk of a sound of ``length``."""
    return Spoken(spoken.start, spoken.samples[: max(0, length - spoken.start)])
