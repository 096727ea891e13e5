import io

from rich.console import Console
from tests.apps.samples_of_events import at, health, percept, reply, said, thing

from sensorium.events import Candidate, Fault, RungChanged, Speech
from sensorium.health import State
from sensorium.stream import Counts
from sensorium_apps.explain_view import BAR_CELLS, contribution_bar
from sensorium_apps.view import ViewState, render

LOOKED_FOR = (
    Candidate("a cat", 0.81, {"vision": 2.3, "audio": -0.4}),
    Candidate("a red cup", 0.05, {"vision": -3.1}),
)


def drawn(state: ViewState) -> str:
    console = Console(width=110, file=io.StringIO())
    console.print(render(state))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def folded(*events: object) -> ViewState:
    state = ViewState()
    for event in events:
        state.take(event)  # type: ignore[arg-type]
    return state


def test_an_empty_state_can_be_drawn() -> None:
    assert "nothing was said yet" in drawn(ViewState())


def test_the_screen_shows_senses_things_names_and_conversation() -> None:
    shown = drawn(
        folded(
            percept(1.0, thing("cat"), thing("cup"), thing("cup")),
            said("what do you see", 2.0),
            reply("I see a cat.", 2.5),
        )
    )
    for text in (
        "camera",
        "live",
        "0.1 s old",
        "2 cups, cat",
        "tabby 61%",
        "you: what do you see",
        "I see a cat.",
    ):
        assert text in shown


def test_a_lost_camera_is_shown_with_its_reason() -> None:
    shown = drawn(folded(percept(1.0), health("vision", State.ABSENT, "camera 0: it was disconnected", 1.1)))
    assert "absent" in shown
    assert "camera 0: it was disconnected" in shown


def test_contributions_are_bars_for_each_modality() -> None:
    shown = drawn(folded(percept(1.0, candidates=LOOKED_FOR)))
    for text in ("a cat", "81%", "+2.3", "-0.4", "-3.1", "━"):
        assert text in shown


def test_a_bar_is_never_longer_than_its_cells() -> None:
    assert contribution_bar(400.0).plain.count("━") == BAR_CELLS
    assert contribution_bar(None).plain == "·"


def test_a_partial_transcript_goes_when_the_final_one_comes() -> None:
    state = folded(said("what do", 1.0, final=False))
    assert "what do …" in drawn(state)
    state.take(said("what do you see", 2.0))
    assert state.partial == ""
    assert "what do …" not in drawn(state)


def test_rung_latency_speech_and_faults_are_in_the_last_line() -> None:
    shown = drawn(
        folded(
            percept(1.0),
            RungChanged(at(1.1), "fewer pictures", "full", "ticks 80 ms late"),
            Speech(at(1.2), 1, "started"),
            Fault(at(1.3), "detector", "out of memory"),
        )
    ).splitlines()[-1]
    for text in ("tick 5", "rung fewer pictures", "latency 1.2 ms", "speaking", "detector: out of memory"):
        assert text in shown


def test_rates_and_drops_come_from_the_streams_counts() -> None:
    state = folded(percept(1.0))
    for tenth in range(21):
        put = 3 * tenth
        state.count({"vision": Counts(put, put - tenth, tenth, 0)}, at(tenth / 10))
    shown = drawn(state)
    assert "30/s" in shown
    assert "20 dropped" in shown


def test_only_the_last_turns_are_kept() -> None:
    state = folded(*(said(f"question {n}", float(n)) for n in range(20)))
    assert "question 19" in drawn(state)
    assert "question 1\n" not in drawn(state)
