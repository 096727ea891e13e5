"""The work that the core asks for: recognising speech and finding answers. Deterministic, so a replay can repeat it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium.evidence import Evidence
from sensorium.steps import Failed, Job, Recognise, Recognised, Respond, Responded, Result

log = logging.getLogger(__name__)

Near = Callable[[str, Sequence[str]], tuple[str, float]]


class SpeechToText(Protocol):
    """A speech recogniser."""

    def recognise(self, samples: NDArray[np.float32]) -> str:
        """The text of float32 (n,) at 16 kHz."""
        ...


class TurnJudge(Protocol):
    """Tells whether a speaker has finished."""

    def probability(self, samples: NDArray[np.float32]) -> float:
        """Probability in [0, 1] that the turn that ends with float32 (n,) at 16 kHz is over."""
        ...


class Answers(Protocol):
    """A trained model that answers questions."""

    def answer(self, question: str, evidences: Sequence[Evidence], now_ns: int) -> Responded | None:
        """The answer from the question and what is sensed; None where it is not sure of one."""
        ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """The parts that jobs need; a missing one is None and its work is left out."""

    recogniser: SpeechToText | None = None
    turn_end: TurnJudge | None = None
    near: Near | None = None
    reword: Callable[[str], str] | None = None
    answers: Answers | None = None

    def run(self, job: Job) -> Result:
        """The job's result; a failure is a result too."""
        try:
            return self._recognise(job) if isinstance(job, Recognise) else self._respond(job)
        except Exception as err:  # one bad job must not end the session
            log.exception("job failed")
            where = "recogniser" if isinstance(job, Recognise) else "answers"
            return Failed(where, f"{type(err).__name__}: {err}")

    def _recognise(self, job: Recognise) -> Result:
        if self.recogniser is None:
            return Failed("recogniser", "the bundle has none")
        text = self.recogniser.recognise(job.samples)
        asked = job.pause and self.turn_end is not None and text
        finished = self.turn_end.probability(job.samples) if asked and self.turn_end else None
        return Recognised(text, finished)

    def _respond(self, job: Respond) -> Responded:
        learned = self._learned(job)
        if learned is not None:
            return learned
        from sensorium.answers import answer  # its tables of words are loaded when the first question comes

        found = answer(job.question, job.scene, self.near)
        reword = self.reword if job.reword else None
        return Responded(found.text, found.because, reword(found.text) if reword else None)

    def _learned(self, job: Respond) -> Responded | None:
        """The trained model's answer; one that fails leaves the question to the rules."""
        if self.answers is None or not job.question.strip():
            return None
        try:
            return self.answers.answer(job.question, job.evidences, job.scene.now_ns)
        except Exception:  # its graphs are told as faults where they run on samples
            log.exception("the model's answer failed")
            return None
