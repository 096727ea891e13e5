"""Taking turns: from stretches of speech to finished utterances, pure and without a clock of its own.

A turn is one or more stretches of speech. When a stretch ends, its text and the probability that the speaker has
finished are asked for; a finished turn is an utterance, an unfinished one waits for more speech, but not for ever.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.events import Utterance
from sensorium.steps import Recognise, Recognised, SpeechBegan, SpeechPaused, SpeechSign, SpeechSoFar

FINISHED = 0.5  # smart-turn's own threshold (https://github.com/pipecat-ai/smart-turn)
WAIT_NS = 1_500 * NS_PER_MS  # silence after which an unfinished turn counts as finished
LONGEST_TURN_NS = 30 * NS_PER_S  # a recogniser's usual window


@dataclass(slots=True)
class Turn:
    """The turn under way."""

    started_ns: int
    ended_ns: int  # of the last stretch that has ended
    stretches: list[NDArray[np.float32]] = field(default_factory=list)
    text: str | None = None  # of all stretches, once recognised
    partial: str = ""  # last partial text told


@dataclass(frozen=True, slots=True)
class TurnOutput:
    """What a step led to."""

    utterances: tuple[Utterance, ...] = ()
    job: Recognise | None = None
    interrupts: bool = False  # the user began to speak


class TurnTaking:
    """One user's turns. One recognition runs at a time; a pause is never skipped, a partial one may be."""

    def __init__(self) -> None:
        self._turn: Turn | None = None
        self._speaking = False
        self._job: Recognise | None = None
        self._waiting_pause = False  # a stretch ended while a recognition ran
        self._jobs = 0

    def hear(self, sign: SpeechSign) -> TurnOutput:
        """Take in what the audio encoder noticed."""
        if isinstance(sign, SpeechBegan):
            return self._begin(sign)
        if isinstance(sign, SpeechSoFar):
            return self._go_on(sign)
        return self._pause(sign)

    def recognised(self, job_id: int, result: Recognised | None, now_ns: int) -> TurnOutput:
        """Take in the text of a job (None: it failed)."""
        job, turn = self._job, self._turn
        if job is None or job.id != job_id:
            return TurnOutput()
        self._job = None
        if turn is None:
            return TurnOutput()
        if self._waiting_pause:
            return self._ask_pause(turn)
        if result is None:
            return self._finish(now_ns) if job.pause else TurnOutput()
        too_long = turn.ended_ns - turn.started_ns > LONGEST_TURN_NS
        if job.pause and (too_long or not self._speaking):
            turn.text = result.text
            finished = result.finished is None or result.finished >= FINISHED
            if finished or too_long or not result.text:
                return self._finish(now_ns)
        return self._tell_partial(turn, result.text, now_ns)

    def wait(self, now_ns: int) -> TurnOutput:
        """Let time pass: an unfinished turn ends after a long silence."""
        turn = self._turn
        if turn is None or self._speaking or self._job is not None or turn.text is None:
            return TurnOutput()
        return self._finish(now_ns) if now_ns - turn.ended_ns >= WAIT_NS else TurnOutput()

    def reset(self) -> TurnOutput:
        """The microphone is gone: what was being said is lost."""
        self._turn, self._speaking, self._waiting_pause = None, False, False
        return TurnOutput()

    def _begin(self, sign: SpeechBegan) -> TurnOutput:
        self._speaking = True
        if self._turn is None:
            self._turn = Turn(started_ns=sign.at_ns, ended_ns=sign.at_ns)
        return TurnOutput(interrupts=True)

    def _go_on(self, sign: SpeechSoFar) -> TurnOutput:
        if self._turn is None or self._job is not None:
            return TurnOutput()
        return TurnOutput(job=self._start(np.concatenate([*self._turn.stretches, sign.samples]), pause=False))

    def _pause(self, sign: SpeechPaused) -> TurnOutput:
        self._speaking = False
        turn = self._turn = self._turn or Turn(sign.started_ns, sign.ended_ns)
        turn.stretches.append(sign.samples)
        turn.ended_ns, turn.text = sign.ended_ns, None
        if self._job is not None:
            self._waiting_pause = True
            return TurnOutput()
        return self._ask_pause(turn)

    def _ask_pause(self, turn: Turn) -> TurnOutput:
        self._waiting_pause = False
        return TurnOutput(job=self._start(np.concatenate(turn.stretches), pause=True))

    def _start(self, samples: NDArray[np.float32], *, pause: bool) -> Recognise:
        self._jobs += 1
        self._job = Recognise(self._jobs, samples, pause)
        return self._job

    def _tell_partial(self, turn: Turn, text: str, now_ns: int) -> TurnOutput:
        if not text or text == turn.partial:
            return TurnOutput()
        turn.partial = text
        return TurnOutput(utterances=(self._utterance(turn, text, now_ns, final=False),))

    def _finish(self, now_ns: int) -> TurnOutput:
        turn, self._turn = self._turn, None
        if turn is None or not turn.text:
            return TurnOutput()
        return TurnOutput(utterances=(self._utterance(turn, turn.text, now_ns, final=True),))

    @staticmethod
    def _utterance(turn: Turn, text: str, now_ns: int, *, final: bool) -> Utterance:
        return Utterance(now_ns, text, "audio", final, turn.started_ns, turn.ended_ns if final else now_ns)
