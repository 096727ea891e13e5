from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.conversation import WAIT_NS, TurnOutput, TurnTaking
from sensorium.events import Utterance
from sensorium.steps import Recognised, SpeechBegan, SpeechPaused, SpeechSoFar

SECOND = np.zeros(16_000, np.float32)


def _texts(outputs: Sequence[TurnOutput], *, final: bool) -> list[str]:
    return [u.text for o in outputs for u in o.utterances if u.final is final]


def test_a_finished_stretch_is_an_utterance() -> None:
    turns = TurnTaking()
    assert turns.hear(SpeechBegan(100)).interrupts
    asked = turns.hear(SpeechPaused(SECOND, 100, 900)).job
    assert asked is not None
    assert asked.pause
    out = turns.recognised(asked.id, Recognised("What do you see?", 0.9), 1000)
    assert out.utterances == (Utterance(1000, "What do you see?", "audio", True, 100, 900),)


def test_an_unfinished_stretch_waits_for_the_rest() -> None:
    turns = TurnTaking()
    turns.hear(SpeechBegan(0))
    first = turns.hear(SpeechPaused(SECOND, 0, NS_PER_S)).job
    assert first is not None
    out = turns.recognised(first.id, Recognised("Can you tell me where the", 0.1), NS_PER_S)
    assert _texts([out], final=True) == []
    turns.hear(SpeechBegan(2 * NS_PER_S))
    second = turns.hear(SpeechPaused(SECOND, 2 * NS_PER_S, 3 * NS_PER_S)).job
    assert second is not None
    assert len(second.samples) == 2 * len(SECOND), "both stretches are heard as one"
    out = turns.recognised(second.id, Recognised("Can you tell me where the cat is?", 0.9), 3 * NS_PER_S)
    assert _texts([out], final=True) == ["Can you tell me where the cat is?"]


def test_an_unfinished_turn_ends_after_a_long_silence() -> None:
    turns = TurnTaking()
    turns.hear(SpeechBegan(0))
    job = turns.hear(SpeechPaused(SECOND, 0, NS_PER_S)).job
    assert job is not None
    turns.recognised(job.id, Recognised("So I was thinking", 0.1), NS_PER_S)
    assert _texts([turns.wait(NS_PER_S + WAIT_NS - 1)], final=True) == []
    assert _texts([turns.wait(NS_PER_S + WAIT_NS)], final=True) == ["So I was thinking"]
    assert _texts([turns.wait(NS_PER_S + 2 * WAIT_NS)], final=True) == []


def test_partial_texts_are_told_once_and_never_hold_up_the_pause() -> None:
    turns = TurnTaking()
    turns.hear(SpeechBegan(0))
    partial = turns.hear(SpeechSoFar(SECOND, 0, NS_PER_S)).job
    assert partial is not None
    assert turns.hear(SpeechSoFar(SECOND, 0, 2 * NS_PER_S)).job is None, "one recognition at a time"
    assert turns.hear(SpeechPaused(SECOND, 0, 2 * NS_PER_S)).job is None
    out = turns.recognised(partial.id, Recognised("What do", None), 2 * NS_PER_S)
    assert out.job is not None
    assert out.job.pause, "the pause that waited comes next"
    out = turns.recognised(out.job.id, Recognised("What do you see?", 0.9), 2 * NS_PER_S)
    assert _texts([out], final=True) == ["What do you see?"]


def test_noise_without_words_is_no_utterance() -> None:
    turns = TurnTaking()
    turns.hear(SpeechBegan(0))
    job = turns.hear(SpeechPaused(SECOND, 0, 500 * NS_PER_MS)).job
    assert job is not None
    assert turns.recognised(job.id, Recognised("", None), NS_PER_S) == TurnOutput()
    assert turns.wait(100 * NS_PER_S) == TurnOutput()


def test_a_lost_microphone_ends_the_turn_without_an_utterance() -> None:
    turns = TurnTaking()
    turns.hear(SpeechBegan(0))
    job = turns.hear(SpeechPaused(SECOND, 0, NS_PER_S)).job
    assert job is not None
    turns.reset()
    assert turns.recognised(job.id, Recognised("too late", 0.9), NS_PER_S) == TurnOutput()


def test_a_failed_recognition_does_not_block_the_next_turn() -> None:
    turns = TurnTaking()
    turns.hear(SpeechBegan(0))
    job = turns.hear(SpeechPaused(SECOND, 0, NS_PER_S)).job
    assert job is not None
    turns.recognised(job.id, None, NS_PER_S)
    turns.hear(SpeechBegan(2 * NS_PER_S))
    assert turns.hear(SpeechPaused(SECOND, 2 * NS_PER_S, 3 * NS_PER_S)).job is not None


@given(st.lists(st.sampled_from(["begin", "so far", "pause", "done", "wait", "reset"]), max_size=60))
def test_whatever_happens_one_recognition_runs_and_no_stretch_is_heard_twice(steps: list[str]) -> None:
    turns = TurnTaking()
    running: list[int] = []
    finals = pauses = 0
    for n, step in enumerate(steps):
        now_ns = n * NS_PER_S
        out = TurnOutput()
        if step == "begin":
            out = turns.hear(SpeechBegan(now_ns))
        elif step == "so far":
            out = turns.hear(SpeechSoFar(SECOND[:10], now_ns, now_ns))
        elif step == "pause":
            pauses += 1
            out = turns.hear(SpeechPaused(SECOND[:10], now_ns, now_ns))
        elif step == "wait":
            out = turns.wait(now_ns)
        elif step == "reset":
            out = turns.reset()
        elif running:
            out = turns.recognised(running.pop(), Recognised("words", 0.9 if n % 2 else 0.1), now_ns)
        if out.job is not None:
            running.append(out.job.id)
        finals += sum(u.final for u in out.utterances)
        assert len(running) <= 1
    assert finals <= pauses
