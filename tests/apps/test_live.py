from collections import deque
from pathlib import Path

import pytest
from tests.apps.samples_of_events import at, health, percept, reply, said

from sensorium.clock import NS_PER_S, VirtualClock
from sensorium.errors import SourceError
from sensorium.events import Speech
from sensorium.health import State
from sensorium.samples import Line, Sample
from sensorium.source import SourceInfo
from sensorium_apps.live import STUCK_S, Inputs, Pending, Watched, open_sources
from sensorium_apps.telling import Absent


class Lines:
    """A source of the lines given; one that is an error is raised."""

    modality, name = "text", "lines"

    def __init__(self, *lines: str | SourceError, finite: bool = True) -> None:
        self._lines = deque(lines)
        self.finite = finite

    def open(self) -> SourceInfo:
        return SourceInfo("lines", 0)

    def read(self) -> Sample | None:
        line = self._lines.popleft() if self._lines else None
        if isinstance(line, SourceError):
            raise line
        return None if line is None else Line(0, 0, line)

    def close(self) -> None:
        self._lines.clear()


def test_a_watched_source_tells_its_openings_newest_sample_and_end() -> None:
    source = Watched(Lines("hello"))
    source.open()
    assert source.read() == source.newest == Line(0, 0, "hello")
    assert not source.ended
    assert source.read() is None
    assert source.ended
    assert list(source.opened) == [SourceInfo("lines", 0)]


def test_a_source_that_was_closed_or_lost_has_not_ended() -> None:
    closed, lost, live = Watched(Lines("hello")), Watched(Lines(SourceError("gone"))), Watched(Lines(finite=False))
    closed.open()
    closed.close()
    assert closed.read() is None
    with pytest.raises(SourceError):
        lost.read()
    assert live.read() is None
    assert not any(source.ended for source in (closed, lost, live))


def test_a_source_with_a_fault_fails_on_purpose_and_the_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("hello\n")
    (tmp_path / "gas.csv").write_text("1,2\n")
    inputs = Inputs(
        text=str(tmp_path / "lines"), sensors=(f"smell={tmp_path / 'gas.csv'}",), faults=("text:end@0s+1s",)
    )
    clock = VirtualClock(NS_PER_S)
    text, smell = open_sources(inputs, clock)
    with pytest.raises(SourceError, match="ended on purpose"):
        text.open()
    smell.open()
    assert smell.read() is not None
    clock.move_to(2 * NS_PER_S)
    text.open()
    assert isinstance(text.read(), Line)
    text.close()
    smell.close()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("mic:muted@1s", "--fault mic:muted@1s: no source 'mic'; known: camera"),
        ("camera:muted@1s", "no fault of camera 'muted'; known: "),
        ("smell:nan@1s+2s", "--fault smell:nan@1s+2s: no source 'smell'; known: camera"),
    ],
)
def test_a_fault_of_no_source_or_of_another_kind_of_source_is_refused(fault: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_sources(Inputs(camera="0", faults=(fault,)), VirtualClock())
    assert str(caught.value).startswith(said)


def settled_after(pending: Pending, seconds: float) -> bool:
    return pending.settled(pending.last_s + seconds)


def test_nothing_is_over_before_it_was_quiet() -> None:
    pending = Pending(quiet_s=1.0)
    pending.take(reply("Yes.", 0), 0.0)
    pending.take(percept(5.0), 5.0)
    assert not pending.settled(0.9)
    assert pending.settled(5.0)


def test_a_question_waits_for_its_answer_and_an_answer_for_its_speech() -> None:
    pending = Pending(quiet_s=1.0)
    pending.take(said("what is this", 0), 0.0)
    assert not settled_after(pending, 2)
    pending.take(reply("A cup.", 1), 1.0)
    assert settled_after(pending, 2)
    pending.take(Speech(at(1), 1, "started"), 1.0)
    assert not settled_after(pending, 2)
    pending.take(Speech(at(3), 1, "finished"), 3.0)
    assert settled_after(pending, 2)


def test_what_was_being_said_is_lost_with_the_microphone() -> None:
    pending = Pending(quiet_s=1.0)
    pending.take(said("what is", 0, final=False), 0.0)
    assert not settled_after(pending, 2)
    pending.take(health("audio", State.ABSENT, "talk.wav has ended"), 1.0)
    assert settled_after(pending, 2)


def test_an_answer_that_never_comes_is_not_waited_for_for_ever() -> None:
    pending = Pending(quiet_s=1.0)
    pending.take(said("what is this", 0), 0.0)
    assert settled_after(pending, STUCK_S + 1)


LOST = health("vision", State.ABSENT, "camera 0: unplugged"), health("audio", State.ABSENT, "no source was given")


def test_it_is_told_once_that_every_sense_is_gone_and_again_after_one_was_back() -> None:
    absent = Absent()
    assert absent.take(LOST[0]) is None
    why = absent.take(LOST[1])
    assert why is not None
    assert "(camera 0: unplugged; microphone: no source was given)" in why
    assert absent.take(LOST[1]) is None
    assert absent.take(health("vision", State.LIVE)) is None
    assert absent.take(LOST[0]) == why


def test_who_can_type_is_not_told_that_every_sense_is_gone_until_typing_ends() -> None:
    absent = Absent(["vision", "text"])
    assert [absent.take(event) for event in LOST] == [None, None]
    assert absent.take(health("text", State.ABSENT, "- has ended")) is not None
