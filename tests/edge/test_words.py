"""Words and their error rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.words import normalise, word_error_rate

WORDS = st.lists(st.sampled_from(["the", "cat", "two", "don't", "sat"]), max_size=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What do you see?", ["what", "do", "you", "see"]),
        ("Don't  STOP!", ["don't", "stop"]),
        ("I can’t — really", ["i", "can't", "really"]),
        ("'Tis the dogs' bowl", ["tis", "the", "dogs", "bowl"]),
        ("There are 2 cats, 13 dogs.", ["there", "are", "two", "cats", "thirteen", "dogs"]),
        ("cold-hearted", ["cold", "hearted"]),
        ("Mr. Dashwood", ["mister", "dashwood"]),
        ("OK", ["okay"]),
        ("", []),
        (" ... ?!", []),
        ("Ünïcode wörds", ["ünïcode", "wörds"]),
    ],
)
def test_text_becomes_the_words_that_are_said(text: str, words: list[str]) -> None:
    assert normalise(text) == words


def test_digits_and_number_words_are_the_same_words() -> None:
    for digits, words in {"0": "zero", "7": "seven", "21": "twenty one", "1,000": "one thousand"}.items():
        assert normalise(digits) == normalise(words)


def test_a_year_stays_as_it_was_written() -> None:
    assert normalise("in 1984") == ["in", "1984"]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors", "words"),
    [
        ("the cat sat", "The cat sat.", 0, 3),
        ("the cat sat", "the bat sat", 1, 3),
        ("the cat sat", "the cat", 1, 3),
        ("the cat sat", "the black cat sat", 1, 3),
        ("the cat sat", "", 3, 3),
        ("", "the cat", 2, 0),
        ("", "", 0, 0),
        ("how many cups", "How many cups are there two", 3, 3),
    ],
)
def test_errors_are_the_fewest_changes(reference: str, hypothesis: str, errors: int, words: int) -> None:
    assert word_error_rate(reference, hypothesis) == (errors, words)


@given(WORDS, WORDS, WORDS)
def test_the_error_count_is_a_distance(a: list[str], b: list[str], c: list[str]) -> None:
    def distance(x: list[str], y: list[str]) -> int:
        return word_error_rate(" ".join(x), " ".join(y))[0]

    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))


@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(" ".join(once)) == once
