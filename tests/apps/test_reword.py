"""Rewording keeps to the facts; the model itself is optional, its guard is not."""

import sys
from pathlib import Path

import pytest

from sensorium_apps.reword import Reworder, RewordError, faithful

CAT = "I see a black cat and two red cups."
CUT = "I can't see right now, the camera stopped three seconds ago; I can hear you."


@pytest.mark.parametrize(
    ("original", "reworded"),
    [
        (CAT, CAT),
        (CAT, "There is a black cat, and there are two red cups."),
        (CAT, "I can see a black cat and also two red mugs."),
        (CUT, "I cannot see; the camera stopped three seconds ago. I can hear you."),
        ("It may be a coffee mug.", "Perhaps it is a coffee mug."),
    ],
)
def test_the_same_facts_in_other_words_are_faithful(original: str, reworded: str) -> None:
    assert faithful(original, reworded)


@pytest.mark.parametrize(
    ("original", "reworded"),
    [
        (CAT, ""),
        (CAT, "There is a black cat."),
        (CAT, "I see a black cat and three red cups."),
        (CAT, "I see a red cat and two black cups."),
        (CAT, "I see two black cats and a red cup."),
        (CAT, "I see a black cat and two red cups, so I am hungry."),
        (CUT, "The camera stopped three seconds ago, so I can see right now."),
        (CUT, "The camera stopped three seconds ago; I can see, I can't hear you."),
        ("I don't see a dog.", "I see a dog."),
        ("I see no people.", "There are people."),
        ("It may be a coffee mug.", "It is a coffee mug."),
        ("The cup is on the left.", "The cup is on the right."),
        (
            "I see a cat on the left and a dog on the right.",
            "I see a dog on the left and a cat on the right.",
        ),
    ],
)
def test_a_changed_fact_is_not_faithful(original: str, reworded: str) -> None:
    assert not faithful(original, reworded)


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RewordError, match="sensorium pull"):
        Reworder(tmp_path / "none.gguf")


def test_a_missing_engine_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "some.gguf"
    model.touch()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(RewordError, match=r"sensorium\[reword\]"):
        Reworder(model)
