from tests.apps.samples_of_events import at, health, percept, reply, said, thing

from sensorium.events import BackendChanged, Candidate, Fault, Guess, RungChanged, Speech
from sensorium.health import State
from sensorium_apps.lines import Lines


def told(lines: Lines, *events: object) -> list[str]:
    return [line[9:] for event in events for line in lines.take(event)]  # type: ignore[arg-type]


def test_a_percept_that_changes_nothing_gives_no_line() -> None:
    lines = Lines()
    assert told(lines, percept(0.0, thing("cat"))) == ["sees cat"]
    assert told(lines, *(percept(n / 5, thing("cat")) for n in range(1, 100))) == []


def test_a_thing_that_flickers_is_told_once_and_one_that_returns_later_again() -> None:
    lines = Lines()
    told(lines, percept(0.0, thing("cat")))
    assert told(lines, percept(1.0), percept(2.0, thing("cat"))) == []
    assert told(lines, percept(9.0, thing("cat"))) == ["sees cat"]


def test_things_are_counted() -> None:
    assert told(Lines(), percept(0.0, thing("person"), thing("cup"), thing("person"))) == ["sees 2 people, cup"]


def test_sounds_are_told_when_they_begin() -> None:
    lines = Lines()
    dog = (Guess("a dog barking", 0.8),)
    assert told(lines, percept(0.0, sounds=dog), percept(0.2, sounds=dog)) == ["hears a dog barking"]


def test_partial_utterances_are_not_told_and_typed_ones_are_marked() -> None:
    events = (said("what", 1.0, final=False), said("what is this", 2.0), said("hello", 3.0, modality="text"))
    assert told(Lines(), *events) == ["you: what is this", "you (typed): hello"]


def test_what_is_looked_for_is_told_once_with_what_each_sense_added() -> None:
    lines = Lines(frozenset({"a cat"}))
    likely = (Candidate("a cat", 0.8, {"vision": 2.0}), Candidate("a dog", 0.9, {"vision": 3.0}))
    unlikely = (Candidate("a cat", 0.2, {"vision": -2.0}),)
    found = ["found a cat: 80% (camera +2.0)"]
    assert told(lines, percept(0.0, candidates=likely), percept(0.2, candidates=likely)) == found
    assert told(lines, percept(0.4, candidates=unlikely), percept(0.6, candidates=likely)) == found


def test_health_rungs_replies_and_faults_are_lines() -> None:
    events = (
        health("vision", State.LIVE),
        health("audio", State.DEGRADED, "muted"),
        RungChanged(at(1), "rare pictures", "full", "ticks 90 ms late"),
        reply("I see a cat.", 2.0),
        Fault(at(3), "detector", "broken"),
        BackendChanged(at(4), "model/vision", "onnxruntime", "litert", "litert gives NaN"),
    )
    assert told(Lines(), *events) == [
        "camera works",
        "microphone degraded: muted",
        "rung rare pictures (was full): ticks 90 ms late",
        "sensorium: I see a cat.",
        "fault in detector: broken",
        "model/vision runs on onnxruntime (was litert): litert gives NaN",
    ]


def test_a_speaker_that_fails_again_and_again_is_told_once() -> None:
    failed = [Speech(at(n), n, "failed", "speaker default: none") for n in range(3)]
    assert told(Lines(), *failed) == ["cannot speak: speaker default: none"]


def test_every_line_begins_with_the_seconds_since_the_first_event() -> None:
    lines = Lines()
    lines.take(health("vision", State.LIVE, seconds=100.0))
    assert lines.take(reply("Yes.", 102.5)) == ["    2.5  sensorium: Yes."]


def test_an_answer_that_is_no_longer_among_the_best_is_told_again_when_it_returns() -> None:
    lines = Lines(frozenset({"7", "3"}))
    seven = (Candidate("7", 0.98, {"vision": 3.1, "audio": 2.0}), Candidate("3", 0.01, {"vision": -2.0, "audio": 0.0}))
    prior = (Candidate("3", 0.7, {}),)
    told_once = ["found 7: 98% (camera +3.1, microphone +2.0)"]
    assert told(lines, percept(0.0, candidates=seven), percept(0.2, candidates=seven)) == told_once
    assert told(lines, percept(1.0, candidates=prior)) == []  # nothing is sensed: no news, however probable
    assert told(lines, percept(2.0, candidates=seven)) == told_once
