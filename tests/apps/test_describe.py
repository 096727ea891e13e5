from pathlib import Path

from tests.apps.samples_of_events import thing

from sensorium.answers.phrasing import place
from sensorium.events import Guess, Thing
from sensorium_apps.commands.describe import sentence, summary
from sensorium_apps.wording import counted


def test_a_picture_is_told_as_a_session_would_tell_it() -> None:
    told = sentence((thing("cat"),), (Guess("tabby", 0.7),))
    assert "cat" in told
    assert told.endswith(".")


def test_the_summary_has_counts_places_and_names() -> None:
    things = (Thing("cup", 0.91234, (0.0, 0.7, 0.2, 1.0), "red"), thing("cup"))
    told = summary(Path("a.jpg"), 640, 480, things, (Guess("coffee mug", 0.5),))
    assert told["counts"] == {"cup": 2}
    assert told["things"][0] == {
        "label": "cup",
        "score": 0.912,
        "box": [0.0, 0.7, 0.2, 1.0],
        "place": place(things[0]),
        "colour": "red",
    }
    assert told["names"] == [{"name": "coffee mug", "probability": 0.5}]


def test_the_most_frequent_thing_goes_first() -> None:
    assert counted(map(thing, ("cat", "cup", "cup"))) == "2 cups, cat"
