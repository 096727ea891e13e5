from tests.apps.samples_of_events import health, percept, reply, said, thing

from sensorium.events import Candidate
from sensorium.health import State
from sensorium_apps.entry import Entry
from sensorium_apps.kiosk import GREETING, GREETING_TYPED, SPEAK, Phase, Rules


def texts(rules: Rules, *events: object) -> list[str]:
    return [prompt.text for event in events for prompt in rules.take(event)]  # type: ignore[arg-type]


def person_from(begin: float, end: float) -> list[object]:
    return [percept(begin + n / 5, thing("person")) for n in range(round((end - begin) * 5))]


def test_who_comes_is_greeted_once() -> None:
    rules = Rules()
    assert texts(rules, *person_from(0, 10)) == [GREETING]
    assert rules.phase is Phase.GREETED


def test_who_walks_past_and_what_is_hardly_a_person_are_not_greeted() -> None:
    rules = Rules()
    assert texts(rules, percept(0.0, thing("person")), percept(0.2), percept(4.0), percept(9.0)) == []
    assert texts(rules, *(percept(10 + n / 5, thing("person", 0.2)) for n in range(20))) == []


def test_a_conversation_is_shown_as_it_goes() -> None:
    rules = Rules()
    events = (said("what", 1.0, final=False), said("what is this", 2.0), reply("A cup.", 2.5))
    assert texts(rules, *events) == ["You: what …", "You: what is this", "A cup."]
    assert rules.phase is Phase.TALKING


def test_it_goes_idle_when_nobody_is_there_and_greets_the_next() -> None:
    rules = Rules()
    texts(rules, *person_from(0, 2), said("hello", 2.0))
    assert texts(rules, percept(20.0)) == []
    assert texts(rules, percept(33.0)) == [""]
    assert rules.phase is Phase.IDLE
    assert texts(rules, *person_from(40, 42)) == [GREETING]


def test_it_stays_with_a_visitor_who_is_silent() -> None:
    rules = Rules()
    texts(rules, *person_from(0, 60))
    assert rules.phase is Phase.GREETED


def test_without_a_microphone_it_asks_for_typing_and_tells_when_it_hears_again() -> None:
    rules = Rules()
    lost = texts(rules, health("audio", State.ABSENT, "microphone default: unplugged"))
    assert lost == ["I can't hear you: microphone default: unplugged. Please type your question."]
    assert texts(rules, *person_from(1, 3)) == [GREETING_TYPED]
    assert texts(rules, health("audio", State.LIVE, seconds=4.0)) == [SPEAK]
    assert not rules.typing


def test_a_muted_microphone_is_asked_about_once() -> None:
    rules = Rules()
    muted = health("audio", State.DEGRADED, "muted")
    first = rules.take(muted)
    assert [(prompt.typing, "muted" in prompt.text) for prompt in first] == [(True, True)]
    assert rules.take(muted) == []


def test_a_late_microphone_offers_typing_once() -> None:
    rules = Rules()
    late, gone = health("audio", State.STALE, "no samples"), health("audio", State.ABSENT, "unplugged", 2.0)
    assert len(texts(rules, late, gone)) == 1


def test_a_lost_camera_is_told() -> None:
    assert texts(Rules(), health("vision", State.ABSENT, "it was disconnected")) == [
        "I can't see right now: it was disconnected. I still answer."
    ]


def digit(text: str, probability: float = 0.97) -> tuple[Candidate, ...]:
    return (Candidate(text, probability, {"vision": 3.0, "audio": -0.5}), Candidate("0", 0.01, {"vision": -1.0}))


def test_what_is_shown_or_said_is_entered_once_it_stands_and_again_only_after_it_was_gone() -> None:
    rules = Rules(entry=Entry(frozenset("0123456789")))
    shown = [percept(n / 5, candidates=digit("4")) for n in range(5)]
    assert texts(rules, *shown) == ["Entered: 4 (4: 97%, by camera)"]
    assert rules.phase is Phase.TALKING
    passing = [percept(1.0, candidates=digit("9")), percept(1.2, candidates=digit("4", 0.3))]
    again = [percept(2 + n / 5, candidates=digit("4")) for n in range(3)]
    assert texts(rules, *passing, *again) == ["Entered: 4 4 (4: 97%, by camera)"]


def test_what_is_only_probable_without_any_sense_is_not_entered_and_the_next_visitor_begins_anew() -> None:
    rules = Rules(entry=Entry(frozenset("0123456789")))
    prior = (Candidate("4", 0.99, {}),)
    assert texts(rules, *(percept(n / 5, candidates=prior) for n in range(9))) == []
    texts(rules, *(percept(3 + n / 5, candidates=digit("4")) for n in range(3)))
    assert rules.entry.entered == ("4",)
    texts(rules, percept(60.0))
    assert rules.entry.entered == ()
