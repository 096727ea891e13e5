"""The speech synthesiser on its real weights."""

import zlib

import numpy as np
import pytest

from sensorium.bundle import Bundle
from sensorium.components.synthesiser import PEAK, Synthesiser
from sensorium.errors import SampleError

SENTENCE = "I can see a cat."


@pytest.fixture(scope="module")
def synthesiser(companion: Bundle) -> Synthesiser:
    return Synthesiser(companion.part("synthesiser"), threads=1)


def test_the_same_text_sounds_the_same_whatever_was_said_before(synthesiser: Synthesiser) -> None:
    first = synthesiser.synthesise(SENTENCE)
    synthesiser.synthesise("Hello.")
    assert first.tobytes() == synthesiser.synthesise(SENTENCE).tobytes()


def test_another_synthesiser_with_more_threads_says_the_same(companion: Bundle, synthesiser: Synthesiser) -> None:
    other = Synthesiser(companion.part("synthesiser"), threads=2)
    np.testing.assert_allclose(other.synthesise(SENTENCE), synthesiser.synthesise(SENTENCE), atol=1e-3)


def test_speech_is_float_within_full_scale_and_lasts_as_long_as_speech_does(synthesiser: Synthesiser) -> None:
    samples = synthesiser.synthesise(SENTENCE)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=1e-3)
    assert 0.8 < len(samples) / synthesiser.rate_hz < 3.0


def test_streamed_phrases_are_the_whole_text(synthesiser: Synthesiser) -> None:
    text = "Yes, I can. One cup."
    pieces = list(synthesiser.stream(text))
    assert len(pieces) == len(list(synthesiser.phrases(text))) == 3
    assert np.concatenate(pieces).tobytes() == synthesiser.synthesise(text).tobytes()


def test_faster_speech_is_shorter(synthesiser: Synthesiser) -> None:
    usual, fast = (len(synthesiser.synthesise(SENTENCE, speed=speed)) for speed in (1.0, 1.5))
    assert 1.3 < usual / fast < 1.7


@pytest.mark.parametrize("speed", [0.0, 0.4, 2.5, float("nan"), float("inf")])
def test_a_speed_that_nobody_understands_is_refused(synthesiser: Synthesiser, speed: float) -> None:
    with pytest.raises(SampleError, match=r"0\.5 to 2"):
        synthesiser.synthesise(SENTENCE, speed=speed)


@pytest.mark.parametrize("nothing", ["", " \n", "...", "?!", "😀", "你好", "привет", "\x00"])
def test_what_cannot_be_said_is_silence(synthesiser: Synthesiser, nothing: str) -> None:
    assert len(synthesiser.synthesise(nothing)) == 0
    assert list(synthesiser.stream(nothing)) == []


@pytest.mark.parametrize("text", ["a", "I", "Oh!", "B.", "xkcd", "A" * 40, "5"])
def test_the_shortest_and_strangest_words_are_said(synthesiser: Synthesiser, text: str) -> None:
    samples = synthesiser.synthesise(text)
    assert len(samples) > synthesiser.rate_hz // 20
    assert np.isfinite(samples).all()


@pytest.mark.parametrize("unit", ["a", "word ", "1", "Yes. "])
def test_ten_thousand_signs_begin_to_sound_at_once(synthesiser: Synthesiser, unit: str) -> None:
    first = next(synthesiser.stream(unit * (10_000 // len(unit))))
    assert 0 < len(first) < 60 * synthesiser.rate_hz


@pytest.mark.parametrize(
    ("text", "phonemes"),
    [
        ("I can see a cat and two cups.", "aɪ kæn sˈiː ɐ kˈæt ænd tˈuː kˈʌps."),
        ("How many cups are there?", "hˌaʊ mˈɛni kˈʌps ɑːɹ ðˈɛɹ?"),
        ("It is 7:45.", "ɪt ɪz sˈɛvən fˈɔːɹɾi fˈaɪv."),
        ("I lost the USB camera.", "aɪ lˈɔst ðə jˌuːˌɛsbˈiː kˈæmɚɹə."),
        ("Record the record.", "ɹˈɛkɚd ðə ɹˈɛkɚd."),
        ("I will record the apple.", "aɪ wɪl ɹᵻkˈɔːɹd ðɪ ˈæpəl."),
    ],
)
def test_sentences_have_the_phonemes_of_american_english(synthesiser: Synthesiser, text: str, phonemes: str) -> None:
    assert synthesiser.phonemes(text) == phonemes


def test_the_voice_knows_every_phoneme_of_the_lexicon(companion: Bundle) -> None:
    part = companion.part("synthesiser")
    ids = part.config["ids"]
    assert isinstance(ids, dict)
    lines = zlib.decompress(part.read("lexicon")).decode().splitlines()
    assert len(lines) > 150_000
    assert {phoneme for line in lines for phoneme in line.split("\t")[1]} <= set(ids)
