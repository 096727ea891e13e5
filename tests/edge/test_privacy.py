"""What may leave a session: the policy as data, and the one place that holds to it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.capture import SourceChanged
from sensorium.core import CoreSettings
from sensorium.encoders.text import TextEncoder
from sensorium.errors import PrivacyError, RecordingError
from sensorium.events import ConsentChanged, Event, Percept, Reply, Utterance
from sensorium.images import Box, Image
from sensorium.jobs import Workshop
from sensorium.policy import FAITHFUL, KINDS, PRIVATE, PrivacyPolicy, read_policy
from sensorium.privacy import WAITING, Privacy, PrivateJournal
from sensorium.samples import AudioChunk, Frame, Line, Reading, Sample
from sensorium.session import Parts, Session
from sensorium.steps import Consent, Done, Finding, Responded, Step, Tick

FRAME = Frame(1, 0, np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8))
SOUND = AudioChunk(1, 0, np.ones(4, np.float32), 16_000)
LINE = Line(1, 0, "my secret")
READING = Reading(1, 0, np.ones(3, np.float32))
SAID = Utterance(2, "my secret", "audio", True, 1, 2)
ANSWERED = Reply(2, 1, "your secret is safe", "my secret", ("audio",), 1.0)
LIMIT_S = 30.0


class Kept:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.steps: list[tuple[Step, Sample | None]] = []
        self.events: list[Event] = []
        self.told = threading.Event()

    def begin(self, settings: CoreSettings) -> None:
        self.settings = settings

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        self.steps.append((step, sample))

    def event(self, event: Event) -> None:
        self.events.append(event)
        self.told.set()

    def close(self) -> None:
        pass


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "privacy.toml"
    path.write_text(text)
    return path


def test_a_policy_is_read_from_toml_and_what_is_not_named_is_private(tmp_path: Path) -> None:
    read = read_policy(written(tmp_path, 'keep = ["events", "audio"]\nkeep_days = 7\nconsent = "awaited"'))
    assert read == PrivacyPolicy(keep=("events", "audio"), keep_days=7.0, consent="awaited")
    assert read.faces == "blurred"
    assert read_policy(written(tmp_path, "")) == PRIVATE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'keep = ["smell"]',
            "keep.0: Input should be 'vision', 'audio', 'text', 'readings' or 'events'; given 'smell'",
        ),
        ("keep_days = 0", "keep_days: Input should be greater than 0; given 0"),
        ('face = "sharp"', "no key 'face'; known there: keep, keep_days, faces, network, consent"),
        ('faces = "maybe"', "faces: Input should be 'blurred' or 'sharp'; given 'maybe'"),
        ("keep = [", "is no TOML"),
    ],
)
def test_a_policy_that_makes_no_sense_says_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PrivacyError) as error:
        read_policy(written(tmp_path, text))
    assert said in str(error.value)
    assert "privacy.toml" in str(error.value)


def test_a_policy_tells_what_a_recording_under_it_lacks() -> None:
    assert str(PRIVATE) == "faces blurred, no audio"
    assert str(FAITHFUL) == ""
    assert FAITHFUL.faithful
    assert not replace(FAITHFUL, faces="blurred").faithful
    assert not replace(FAITHFUL, keep=KINDS[1:]).faithful


def test_by_default_no_voice_is_kept_and_no_picture_as_it_was() -> None:
    privacy = Privacy(PRIVATE)
    assert not privacy.may(SOUND)
    assert all(privacy.may(sample) for sample in (FRAME, LINE, READING))
    assert not np.array_equal(privacy.shown(FRAME).frame.image, FRAME.image)


@pytest.mark.parametrize(("kind", "sample"), list(zip(KINDS, (FRAME, SOUND, LINE, READING), strict=False)))
def test_what_is_not_named_is_not_kept(kind: Any, sample: Sample) -> None:
    alone = replace(FAITHFUL, keep=(kind,))
    others = replace(FAITHFUL, keep=tuple(other for other in KINDS if other != kind))
    assert Privacy(alone).may(sample)
    assert not Privacy(others).may(sample)


class Slow:
    """A face detector that waits until it may go on, and then fails."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def find(self, image: Image) -> tuple[Box, ...]:
        self.began.set()
        self.go_on.wait(LIMIT_S)
        raise RuntimeError("no memory")


def test_a_slow_detector_delays_nothing_and_what_is_too_much_for_it_is_left_out() -> None:
    kept, faces, told = Kept(), Slow(), []
    journal = PrivateJournal(kept, Privacy(PRIVATE, faces), told.append)
    journal.begin(CoreSettings(()))
    for n in range(3 * WAITING):
        journal.step(Finding("vision", 1), replace(FRAME, seq=n), n)
    journal.event(SAID)
    assert faces.began.wait(LIMIT_S)
    assert kept.events == []
    faces.go_on.set()
    assert kept.told.wait(LIMIT_S)
    journal.close()
    pictures = [sample.image for _, sample in kept.steps if isinstance(sample, Frame)]
    assert WAITING <= len(pictures) <= WAITING + 1
    assert not any(np.array_equal(picture, FRAME.image) for picture in pictures)
    assert told == ["faces: RuntimeError: no memory"]


def test_a_session_that_ends_while_a_picture_is_looked_through_loses_only_pictures() -> None:
    kept, faces = Kept(), Slow()
    journal = PrivateJournal(kept, Privacy(PRIVATE, faces))
    journal.begin(CoreSettings(()))
    journal.step(Finding("vision", 1), FRAME, 1)
    assert faces.began.wait(LIMIT_S)
    journal.step(Finding("vision", 2), FRAME, 2)
    journal.event(SAID)
    journal.close()
    faces.go_on.set()
    assert journal._thread is not None
    journal._thread.join(LIMIT_S)
    assert (kept.steps, kept.events) == ([], [SAID])


def test_a_full_disk_is_told_at_the_next_step() -> None:
    class Full(Kept):
        def step(self, *_: object) -> None:
            raise RecordingError("No space left on device")

    journal = PrivateJournal(Full(), Privacy(PRIVATE))
    journal.begin(CoreSettings(()))
    journal.step(Tick(1), None, 1)
    assert journal._thread is not None
    journal._thread.join(LIMIT_S)
    with pytest.raises(RecordingError, match="No space left"):
        journal.step(Tick(2), None, 2)
    journal.close()


def test_without_text_neither_words_nor_answers_are_kept() -> None:
    kept = Kept()
    journal = PrivateJournal(kept, Privacy(PrivacyPolicy(keep=("events",))))
    for event in (SAID, ANSWERED):
        journal.event(event)
    journal.step(Done(-1, Responded("your secret is safe", (), "safe is your secret")), None, 3)
    assert kept.events == []
    assert "secret" not in repr([step.result.reworded for step, _ in kept.steps if isinstance(step, Done)])  # type: ignore[union-attr]


def test_without_consent_nothing_is_kept_but_the_change_of_it_and_how_devices_stand() -> None:
    kept, privacy = Kept(), Privacy(replace(FAITHFUL, consent="awaited"))
    journal = PrivateJournal(kept, privacy)
    steps: list[tuple[Step, Sample | None]] = [
        (SourceChanged("vision", "open"), None),
        (Tick(1), None),
        (Finding("vision", 1), FRAME),
        (Consent(True, "the user"), None),
        (Tick(2), None),
    ]
    for step, sample in steps:
        if isinstance(step, Consent):
            privacy.say(step)
            privacy.take(step, 1)
        journal.step(step, sample, 1)
        journal.event(SAID)
    journal.event(ConsentChanged(1, True, "the user"))
    assert [type(step) for step, _ in kept.steps] == [SourceChanged, Consent, Tick]
    assert [type(event) for event in kept.events] == [Utterance, Utterance, ConsentChanged]


def test_taking_consent_back_holds_before_the_step_of_it_was_taken() -> None:
    privacy = Privacy(FAITHFUL)
    no, yes = Consent(False, "the user"), Consent(True, "the user")
    privacy.say(no)
    assert not privacy.may(LINE)
    privacy.say(yes)
    assert not privacy.consent, "none of the two steps was taken yet"
    privacy.take(no, 5)
    privacy.take(yes, 6)
    assert privacy.consent
    privacy.say(no)
    privacy.take(yes, 7)
    assert not privacy.consent, "an earlier word that is taken late changes nothing"


def test_what_began_without_consent_is_not_kept_because_it_took_its_time() -> None:
    kept, privacy = Kept(), Privacy(replace(FAITHFUL, consent="awaited"))
    journal = PrivateJournal(kept, privacy)
    yes = Consent(True, "the user")
    privacy.say(yes)
    privacy.take(yes, 10)
    assert not privacy.may(Line(9, 0, "my secret"))
    assert privacy.may(Line(10, 0, "no secret"))
    journal.event(Utterance(12, "my secret", "text", True, 9, 9))
    journal.event(Reply(13, 1, "your secret is safe", "my secret", (), 1.0))
    asked = Utterance(14, "no secret", "text", True, 11, 11)
    answered = Reply(15, 2, "well", "no secret", (), 1.0)
    journal.event(asked)
    journal.event(answered)
    assert kept.events == [asked, answered]


def wait(running: Session, wanted: Callable[[Event], bool]) -> Event:
    while (event := running.next_event(LIMIT_S)) is not None:
        if wanted(event):
            return event
    raise AssertionError("it did not come")


def test_a_session_pauses_its_recording_while_there_is_no_consent_and_says_so() -> None:
    kept = Kept()
    parts = Parts({"text": TextEncoder()}, fusion=None, workshop=Workshop())
    with Session(parts, [], journal=kept, privacy=FAITHFUL) as running:
        assert kept.settings.privacy == FAITHFUL
        assert wait(running, lambda e: isinstance(e, ConsentChanged)) == kept.events[0]
        running.say("Hello!")
        wait(running, lambda e: isinstance(e, Reply))
        running.consent(False)
        running.say("What is my secret?")
        wait(running, lambda e: isinstance(e, Reply))
        running.consent(True, "a friend")
        wait(running, lambda e: isinstance(e, ConsentChanged) and e.by == "a friend")
        wait(running, lambda e: isinstance(e, Percept))
    told = [e for e in kept.events if not isinstance(e, Percept)]
    assert "secret" not in repr(kept.events) + repr(kept.steps)
    changes = [(e.given, e.by) for e in told if isinstance(e, ConsentChanged)]
    assert changes == [(True, "the privacy policy"), (False, "the user"), (True, "a friend")]
    assert isinstance(kept.events[-1], Percept)
    assert sum(isinstance(e, Reply) for e in told) == 1
