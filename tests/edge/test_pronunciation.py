"""From text to phonemes on small data: what is said, and what holds for any text."""

import io
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.errors import BundleError
from sensorium.speech import Pronouncer, normalise, phrases
from sensorium.speech.alphabet import from_arpabet, to_voice
from sensorium.speech.letters import _PHONES, _SHAPES, LetterToSound
from sensorium.speech.lexicon import Lexicon, pack
from sensorium.speech.morphology import derive
from sensorium.speech.numbers import cardinal, ordinal
from sensorium.speech.phrases import FIRST_WORDS, MAX_LETTERS, MAX_WORDS

WORDS = {
    "A": "ˈeɪ",
    "B": "bˈiː",
    "NASA": "nˈæsə",
    "S": "ˈɛs",
    "U": "jˈuː",
    "apple": "ˈæpəl",
    "cat": "kˈæt",
    "dog": "dˈɔːɡ",
    "fox": "fˈɑːks",
    "have": "hæv",
    "have|final": "hˈæv",
    "head": "hˈɛd",
    "i": "aɪ",
    "move": "mˈuːv",
    "normal": "nˈɔːɹməl",
    "plug": "plˈʌɡ",
    "see": "sˈiː",
    "set": "sˈɛt",
    "stop": "stˈɑːp",
    "the": "ði",
    "to": "tuː",
    "use": "jˈuːz",
    "use|noun": "jˈuːs",
    "wait": "wˈeɪt",
    "water": "wˈɔːɾɚ",
}


def network(**changed: np.ndarray) -> bytes:
    """The weights of a network that knows nothing: it says "k" until it is stopped."""
    arrays = {name: np.zeros(shape, np.float32) for name, shape in _SHAPES.items()}
    arrays["fc_b"][4 + _PHONES.index("K")] = 1.0
    file = io.BytesIO()
    np.savez(file, **(arrays | changed))
    return file.getvalue()


@pytest.fixture(scope="module")
def pronounce() -> Pronouncer:
    return Pronouncer(Lexicon(pack(WORDS)), LetterToSound(network()))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is 7:45.", "It is seven forty five."),
        ("At 7:05, 7:00 or 15:00", "At seven oh five, seven o'clock or fifteen hundred."),
        ("7:30 p.m. or 5 am", "seven thirty PM or five AM."),
        ("stopped 3 seconds ago", "stopped three seconds ago."),
        ("3 s, 1 s, 120 ms", "three seconds, one second, one hundred twenty milliseconds."),
        ("1.5 m at 3 km/h", "one point five meters at three kilometers per hour."),
        ("-5°C, 1 °C", "minus five degrees Celsius, one degree Celsius."),
        ("80% of 1,234", "eighty percent of one thousand two hundred thirty four."),
        ("$5.50, $1, $0.99", "five dollars and fifty cents, one dollar, ninety nine cents."),
        ("in 2026, since 1905", "in twenty twenty six, since nineteen oh five."),
        ("1984 cups", "one thousand nine hundred eighty four cups."),
        ("the 23rd and the 112th", "the twenty third and the one hundred twelfth."),
        ("640x480", "six hundred forty by four hundred eighty."),
        ("3-5 cups, 1/2 cup", "three to five cups, one half cup."),
        ("v1.2.3 007 5G", "v one point two point three zero zero seven five G."),
        ("Mr. Smith, e.g. “Bob” — he's here…", "mister Smith, for example, Bob, he's here."),
        ("café 😀 你好 a@b.com", "cafe a at b dot com."),
        ("- one thing\n- another", "one thing. another."),
        ("Really?!  Yes , of course .", "Really? Yes, of course."),
    ],
)
def test_what_is_written_becomes_words(written: str, spoken: str) -> None:
    assert normalise(written) == spoken


@pytest.mark.parametrize("nothing", ["", "   \n", "...", "?!", "😀🎉", "你好，世界", "привет", "''", "-"])
def test_what_cannot_be_said_becomes_nothing(nothing: str) -> None:
    assert normalise(nothing) == ""
    assert list(phrases(nothing)) == []


@given(st.text(max_size=300))
def test_any_text_becomes_plain_words_and_stays_so(text: str) -> None:
    words = normalise(text)
    assert set(words) <= set(string.ascii_letters + "',.;:!? ")
    assert normalise(words) == words


@given(st.text(alphabet="ab ,.;:!?'\n-1/$%", max_size=2000))
def test_phrases_hold_every_word_and_none_is_long(text: str) -> None:
    pieces = list(phrases(text))
    assert " ".join(pieces).replace(" ", "") == normalise(text).replace(" ", "")
    assert all(len(piece.split()) <= MAX_WORDS for piece in pieces)


@pytest.mark.parametrize("unit", ["a", "1", "word ", "1,", "(", " -", "é", "a.b", "http://", "$1.5 ", "', "])
def test_ten_thousand_signs_make_many_short_phrases(unit: str) -> None:
    pieces = list(phrases(unit * (10_000 // len(unit))))
    assert all(len(piece) <= MAX_WORDS * (MAX_LETTERS + 1) for piece in pieces)


def test_the_first_phrase_ends_at_the_first_clause_and_the_others_at_sentences() -> None:
    text = "I can't see right now, the camera stopped; I can hear you. Yes, well, I can."
    assert list(phrases(text)) == [
        "I can't see right now,",
        "the camera stopped; I can hear you.",
        "Yes, well, I can.",
    ]


def test_a_long_first_clause_is_cut_before_a_joining_word() -> None:
    first, *_ = phrases("I see a big red cup on the old table and a chair next to the window of the room.")
    assert first == "I see a big red cup on the old table"
    assert len(first.split()) <= FIRST_WORDS


@given(st.integers(0, 10**15 - 1))
def test_numbers_are_said_in_words_without_digits(number: int) -> None:
    assert set(cardinal(number)) <= set(string.ascii_lowercase + " ")
    assert ordinal(number).endswith(("st", "nd", "rd", "th", "first", "second", "third"))


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("I see the cat.", "aɪ sˈiː ðə kˈæt."),
        ("the apple, the", "ðɪ ˈæpəl, ði"),
        ("to see an apple", "tə sˈiː ɐn ˈæpəl"),
        ("A dog", "ɐ dˈɔːɡ"),
        ("use the use", "jˈuːz ðə jˈuːs"),
        ("I have a cat, I have.", "aɪ hæv ɐ kˈæt, aɪ hˈæv."),
        ("USB, NASA, CATS", "jˌuːˌɛsbˈiː, nˈæsə, kˈæts"),
        ("SEE THE CAT", "sˈiː ðə kˈæt"),
    ],
)
def test_words_sound_as_their_neighbours_and_case_ask(pronounce: Pronouncer, text: str, phonemes: str) -> None:
    assert pronounce(text) == phonemes


@pytest.mark.parametrize(
    ("word", "phonemes"),
    [
        ("cats", "kˈæts"),
        ("dog's", "dˈɔːɡz"),
        ("foxes", "fˈɑːksᵻz"),
        ("stopped", "stˈɑːpt"),
        ("waited", "wˈeɪɾᵻd"),
        ("moving", "mˈuːvɪŋ"),
        ("watering", "wˈɔːɾɚɹɪŋ"),
        ("normally", "nˈɔːɹməli"),
        ("unplugged", "ʌnplˈʌɡd"),
        ("headset", "hˈɛdsˌɛt"),
        ("headsets", "hˈɛdsˌɛts"),
        ("xyzzy", None),
    ],
)
def test_a_word_is_made_from_the_words_in_it(word: str, phonemes: str | None) -> None:
    assert derive(word, WORDS.get) == phonemes


def test_a_word_that_nothing_knows_is_guessed_and_letters_without_a_vowel_are_spelled(
    pronounce: Pronouncer,
) -> None:
    assert pronounce.alone("blorf") == "k" * 24
    assert pronounce.alone("bsb") == "bˌiːˌɛsbˈiː"


@pytest.mark.parametrize(
    ("dictionary", "spelling", "voice"),
    [
        ("kˈæməɹə", "camera", "kˈæmɚɹə"),
        ("bˈɜɹd", "bird", "bˈɜːd"),
        ("əbˈWt", "about", "ɐbˈaʊt"),
        ("dəfˈɔlt", "default", "dᵻfˈɔːlt"),
        ("ɪɡzˈæmpəl", "example", "ɛɡzˈæmpəl"),
        ("ˈɪnpˌʊt", "input", "ˈɪnpʊt"),
        ("bi", "be", "biː"),
        ("hˈæpi", "happy", "hˈæpi"),
    ],
)
def test_dictionary_phonemes_become_the_voices(dictionary: str, spelling: str, voice: str) -> None:
    assert to_voice(dictionary, spelling) == voice


def test_arpabet_becomes_dictionary_phonemes() -> None:
    assert from_arpabet(["HH", "AH0", "L", "OW1"]) == "həlˈO"


@given(st.dictionaries(st.text("abc'", min_size=1, max_size=5), st.text("kæt", max_size=4), min_size=1))
def test_a_packed_lexicon_gives_back_every_word_and_no_other(entries: dict[str, str]) -> None:
    lexicon = Lexicon(pack(entries))
    assert {word: lexicon.get(word) for word in entries} == entries
    assert lexicon.get("abcabc") is None
    assert lexicon.get("") is None


def test_a_packed_lexicon_depends_only_on_what_is_in_it() -> None:
    assert pack(WORDS) == pack(dict(reversed(WORDS.items())))


@pytest.mark.parametrize("damaged", [b"", b"no zlib", pack(WORDS)[:-9], pack({})])
def test_a_damaged_lexicon_is_refused(damaged: bytes) -> None:
    with pytest.raises(BundleError, match="lexicon"):
        Lexicon(damaged)


@pytest.mark.parametrize("damaged", [b"", b"no zip", network(fc_w=np.zeros((3, 3), np.float32))])
def test_a_damaged_network_is_refused(damaged: bytes) -> None:
    with pytest.raises(BundleError, match="letter-to-sound"):
        LetterToSound(damaged)
