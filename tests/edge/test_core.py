"""The core, driven by hand-made steps: no device, no thread, no graph."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorium.capture import SourceChanged
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.core import Core, CoreSettings, events, jobs
from sensorium.events import Candidate, Guess, HealthChanged, Percept, Reply, Thing, Utterance
from sensorium.evidence import Evidence, Phrase
from sensorium.health import State
from sensorium.source import SourceInfo
from sensorium.steps import (
    Check,
    Done,
    Effect,
    Failed,
    Finding,
    Hush,
    Recognise,
    Recognised,
    Respond,
    Responded,
    Speak,
    SpeechBegan,
    SpeechPaused,
    Spoke,
    Step,
    Tick,
)

FRAME_NS = NS_PER_S // 30
CAMERA = SourceChanged("vision", "open", info=SourceInfo("a camera", FRAME_NS))
MICROPHONE = SourceChanged("audio", "open", info=SourceInfo("a microphone", 32 * NS_PER_MS))
KEYBOARD = SourceChanged("text", "open", info=SourceInfo("a keyboard", 0))
CAT = Thing("cat", 0.9, (0.1, 0.1, 0.5, 0.5))


class Echoing:
    """A fusion that tells which modalities had evidence."""

    def fuse(self, evidences: Sequence[Evidence], now_ns: int, count: int) -> tuple[Candidate, ...]:
        return tuple(Candidate(e.modality, 0.5, {e.modality: 1.0}) for e in evidences)[:count]


def _core() -> Core:
    return Core(CoreSettings(modalities=("vision", "audio", "text"), wall_clock_s=1e9), Echoing())


def _look(at_ns: int, *things: Thing, fault: str | None = None) -> Finding:
    evidence = () if fault else (Evidence("vision", (Phrase("a cat"),), at_ns),)
    return Finding("vision", at_ns, fault, evidence, things=None if fault else things)


def _percept(effects: list[Effect]) -> Percept:
    (percept,) = [e for e in events(effects) if isinstance(e, Percept)]
    return percept


def _states(effects: list[Effect]) -> list[tuple[str, State]]:
    return [(e.modality, e.state) for e in events(effects) if isinstance(e, HealthChanged)]


def test_every_tick_is_answered_with_nothing_connected() -> None:
    percept = _percept(_core().handle(Tick(0), 5 * NS_PER_MS))
    assert {name: s.state for name, s in percept.senses.items()} == dict.fromkeys(
        ("vision", "audio", "text"), State.ABSENT
    )
    assert percept.candidates == ()
    assert percept.latency_ms == 5.0


def test_evidence_counts_while_it_is_fresh_and_its_age_is_told() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(_look(NS_PER_MS, CAT), 2 * NS_PER_MS)
    percept = _percept(core.handle(Tick(0, {"vision": 50 * NS_PER_MS}), 51 * NS_PER_MS))
    assert percept.senses["vision"].evidence
    assert percept.senses["vision"].age_ms == 50.0
    assert [c.text for c in percept.candidates] == ["vision"]
    assert percept.things == (CAT,)


def test_a_stalled_camera_is_stale_in_three_frames_and_then_absent_with_its_last_time() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(_look(1, CAT), 1)
    last = {"vision": 1}
    due = core.next_check_ns(last)
    assert due is not None
    assert due <= 1 + 100 * NS_PER_MS + 1
    assert _states(core.handle(Check(last), due)) == [("vision", State.STALE)]
    effects = core.handle(Check(last), 3 * NS_PER_S)
    assert _states(effects) == [("vision", State.ABSENT)]
    (change,) = events(effects)
    assert isinstance(change, HealthChanged)
    assert change.since_ns == 1
    assert _percept(core.handle(Tick(3 * NS_PER_S, last), 3 * NS_PER_S)).things == ()


def test_a_camera_that_returns_is_live_from_its_first_frame() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(_look(1, CAT), 1)
    assert _states(core.handle(SourceChanged("vision", "lost", "unplugged"), NS_PER_S)) == [("vision", State.ABSENT)]
    assert core.handle(CAMERA, 2 * NS_PER_S) == []
    assert _states(core.handle(_look(2 * NS_PER_S, CAT), 2 * NS_PER_S + 1)) == [("vision", State.LIVE)]


def test_a_frame_from_a_camera_that_was_lost_meanwhile_revives_nothing() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(SourceChanged("vision", "lost", "unplugged"), 10)
    assert core.handle(_look(5, CAT), 11) == []


def test_a_dark_picture_is_no_evidence() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(_look(1, CAT), 1)
    assert _states(core.handle(_look(2, fault="dark"), 2)) == [("vision", State.DEGRADED)]
    percept = _percept(core.handle(Tick(3, {"vision": 2}), 3))
    assert not percept.senses["vision"].evidence
    assert percept.senses["vision"].reason == "dark"
    assert percept.things == ()


def test_pictures_at_a_wrong_rate_are_told_and_are_evidence_nonetheless() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(_look(1, CAT), 1)
    slow = SourceChanged("vision", "faulty", "wrong rate")
    assert _states(core.handle(slow, 2)) == [("vision", State.DEGRADED)]
    assert _percept(core.handle(Tick(3), 3)).senses["vision"].evidence
    assert _states(core.handle(SourceChanged("vision", "faulty"), 4)) == [("vision", State.LIVE)]
    core.handle(slow, 5)
    core.handle(CAMERA, 6)  # opened anew, it is given another chance
    assert _states(core.handle(_look(7, CAT), 7)) == [("vision", State.LIVE)]


def test_health_is_told_once_and_not_at_every_look() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    told = [state for n in range(1, 20) for state in _states(core.handle(_look(n * FRAME_NS, CAT), n * FRAME_NS))]
    assert told == [("vision", State.LIVE)]


def test_a_spoken_question_is_recognised_answered_and_said() -> None:
    core = _core()
    core.handle(MICROPHONE, 0)
    speech = (SpeechBegan(1), SpeechPaused(np.zeros(16_000, np.float32), 1, 2))
    (job,) = jobs(core.handle(Finding("audio", 2, speech=speech), 3))
    assert isinstance(job, Recognise)
    effects = core.handle(Done(job.id, Recognised("What do you see?", 0.9)), 4)
    assert [e.text for e in events(effects) if isinstance(e, Utterance)] == ["What do you see?"]
    (question,) = jobs(effects)
    assert isinstance(question, Respond)
    assert question.scene.hears()
    effects = core.handle(Done(question.id, Responded("Nothing.", ())), 6 * NS_PER_MS)
    (reply,) = [e for e in events(effects) if isinstance(e, Reply)]
    assert (reply.text, reply.question) == ("Nothing.", "What do you see?")
    assert Speak(reply.id, "Nothing.") in effects


def test_typed_text_is_answered_even_after_its_source_has_ended() -> None:
    core = _core()
    core.handle(KEYBOARD, 0)
    core.handle(SourceChanged("text", "ended", "end of file"), 1)
    (job,) = jobs(core.handle(Finding("text", 1, text="hello"), 2))
    assert isinstance(job, Respond)


def test_who_speaks_into_an_answer_is_heard_and_the_machine_falls_silent() -> None:
    core = _core()
    core.handle(MICROPHONE, 0)
    assert Hush() not in core.handle(Finding("audio", 1, speech=(SpeechBegan(1),)), 1)
    core.handle(Spoke(1, "started"), 2)
    assert Hush() in core.handle(Finding("audio", 3, speech=(SpeechBegan(3),)), 3)
    core.handle(Spoke(1, "stopped"), 4)
    assert Hush() not in core.handle(Finding("audio", 5, speech=(SpeechBegan(5),)), 5)


def test_a_failed_job_is_told_and_the_session_goes_on() -> None:
    core = _core()
    core.handle(KEYBOARD, 0)
    (job,) = jobs(core.handle(Finding("text", 1, text="hello"), 2))
    effects = core.handle(Done(job.id, Failed("answers", "no idea")), 3)
    assert [e.kind for e in events(effects)] == ["fault"]
    assert _percept(core.handle(Tick(4), 4)).seq == 1


def test_what_happened_is_remembered_for_answers() -> None:
    core = _core()
    core.handle(CAMERA, 0)
    core.handle(KEYBOARD, 0)
    core.handle(_look(1, CAT), 1)
    core.handle(Finding("audio", 2, sounds=(Guess("rain", 0.8),)), 2)
    core.handle(SourceChanged("vision", "lost", "unplugged"), 3)
    (job,) = jobs(core.handle(Finding("text", 4, text="What happened?"), 4))
    assert isinstance(job, Respond)
    assert "a cat appeared" in [h.text for h in job.scene.happenings]
    assert "the camera stopped" in [h.text for h in job.scene.happenings]
    assert not job.scene.sees()


_STEPS = st.sampled_from(
    [
        CAMERA,
        MICROPHONE,
        KEYBOARD,
        SourceChanged("vision", "lost", "x"),
        SourceChanged("audio", "ended", "x"),
        _look(0, CAT),
        _look(0, fault="dark"),
        Finding("audio", 0, speech=(SpeechBegan(0),)),
        Finding("audio", 0, speech=(SpeechPaused(np.zeros(9, np.float32), 0, 0),)),
        Finding("text", 0, text="hello"),
        Finding("smell", 0),
        Done(1, Recognised("yes", 0.9)),
        Done(-1, Responded("no", ())),
        Done(99, Failed("x", "y")),
        Spoke(1, "started"),
        Spoke(1, "failed", "no device"),
        Check({"vision": 10**9}),
    ]
)


@given(st.lists(st.tuples(_STEPS, st.integers(0, 2 * NS_PER_S)), max_size=40))
def test_any_steps_in_any_order_leave_every_tick_answered_the_same_way_twice(
    steps: list[tuple[Step, int]],
) -> None:
    told = []
    for _ in range(2):
        core, now_ns, out = _core(), 0, []
        for step, wait_ns in steps:
            now_ns += wait_ns
            out += core.handle(step, now_ns)
            out.append(_percept(core.handle(Tick(now_ns), now_ns)))
        told.append([repr(effect) for effect in out if not isinstance(effect, np.ndarray)])
    assert told[0] == told[1]


@given(st.integers(-300, 20), st.integers(0, 300))
def test_a_look_at_health_when_it_is_due_is_not_due_again_at_once(ahead_ms: int, encoding_ms: int) -> None:
    """A sample may be ahead of the clock by a little; else a session would spin, and one in virtual time for ever."""
    core = Core(CoreSettings(("vision",)), None)
    core.handle(SourceChanged("vision", "open", info=SourceInfo("a camera", 200 * NS_PER_MS)), 0)
    arrived_ns = NS_PER_S
    arrivals = {"vision": arrived_ns}
    found_ns = arrived_ns + encoding_ms * NS_PER_MS
    core.handle(Check(arrivals), arrived_ns)
    core.handle(Finding("vision", arrived_ns + ahead_ms * NS_PER_MS), found_ns)
    due_ns = core.next_check_ns(arrivals)
    assert due_ns is not None
    core.handle(Check(arrivals), due_ns)
    assert core.next_check_ns(arrivals) is None
