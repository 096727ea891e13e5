"""The sound tagger: features, the guard against the unknown, real weights."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensorium.bundle import Bundle
from sensorium.components.sound import (
    RATE_HZ,
    SoundHead,
    SoundTagger,
    check_window,
    doubted,
    level_dbfs,
    log_mel,
    softmax,
)
from sensorium.errors import BundleError, SampleError
from sensorium_compile.fit.fitted import SOUND_HEAD_FILE, fitted_sound
from sensorium_compile.fit.network import Recipe, fit_network, fit_temperature

logit_rows = st.lists(st.floats(-20, 20), min_size=4, max_size=4)


def _tone(hz: float, seconds: float = 2.0) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


@given(logit_rows)
def test_doubt_keeps_a_distribution_and_never_makes_a_known_sound_likelier(row: list[float]) -> None:
    before = softmax(np.array(row, np.float32))
    after = doubted(before, background=3, doubt=(0.35, 0.65))
    assert after.sum() == pytest.approx(1, abs=1e-5)
    assert (after >= -1e-6).all()
    assert (after[:3] <= before[:3] + 1e-7).all()


def test_what_is_sure_stands_and_what_is_not_becomes_background() -> None:
    sure = np.array([0.9, 0.05, 0.05], np.float32)
    unsure = np.array([0.34, 0.33, 0.33], np.float32)
    assert doubted(sure, 2, (0.35, 0.65)) == pytest.approx(sure)
    assert doubted(unsure, 2, (0.35, 0.65)) == pytest.approx([0, 0, 1])


def test_a_tone_is_loudest_in_the_band_that_holds_it() -> None:
    low, high = (log_mel(_tone(hz)).mean(axis=0).argmax() for hz in (300, 4000))
    assert low < 12 < 40 < high


def test_the_level_is_that_of_the_loudest_tenth_of_a_second() -> None:
    burst = np.zeros(2 * RATE_HZ, np.float32)
    burst[:1600] = 0.1
    assert level_dbfs(burst) == pytest.approx(-20, abs=0.01)
    assert level_dbfs(np.zeros(RATE_HZ, np.float32)) == pytest.approx(-200)


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(RATE_HZ - 1, np.float32),
        np.zeros(RATE_HZ, np.float64),
        np.zeros((2, RATE_HZ), np.float32),
        np.full(RATE_HZ, np.nan, np.float32),
        np.full(RATE_HZ, np.inf, np.float32),
    ],
)
def test_sound_that_is_short_of_another_type_or_not_finite_is_refused(audio: NDArray[np.float32]) -> None:
    with pytest.raises(SampleError, match="sound"):
        check_window(audio)


def test_only_the_last_five_seconds_count() -> None:
    audio = np.arange(6 * RATE_HZ, dtype=np.float32)
    assert (check_window(audio) == audio[RATE_HZ:]).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken"])
def test_a_damaged_head_is_a_clear_error(content: bytes) -> None:
    with pytest.raises(BundleError, match="sound head"):
        SoundHead.load(content)


def test_a_head_without_its_arrays_is_a_clear_error() -> None:
    stream = io.BytesIO()
    np.savez(stream, mean=np.zeros(3))
    with pytest.raises(BundleError, match="sound head"):
        SoundHead.load(stream.getvalue())


def test_the_shipped_head_is_small_fits_its_labels_and_says_how_good_it_is() -> None:
    fitted = fitted_sound()
    head = SoundHead.load(SOUND_HEAD_FILE.read_bytes())
    assert SOUND_HEAD_FILE.stat().st_size < 200_000
    assert head.logits(np.zeros(224, np.float32)).shape == (len(fitted.config.labels) - 1,)
    assert fitted.figures["esc10_accuracy_5s"] > 0.9
    assert any("CC BY" in line for line in fitted.data)


def test_fitting_twice_gives_the_same_head_and_learns_what_is_separable() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    features = (np.eye(3)[labels] * 3 + rng.standard_normal((300, 3))).astype(np.float32)
    recipe = Recipe(hidden=4, epochs=20, batch=50)
    first, second = (fit_network(features, labels, np.ones(3, np.float32), recipe) for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)
    logits = SoundHead(first).logits(features)
    assert (logits.argmax(axis=1) == labels).mean() > 0.9
    assert 0.3 <= fit_temperature(logits, labels) <= 5


@pytest.fixture(scope="module")
def tagger(companion: Bundle) -> SoundTagger:
    return SoundTagger(companion.part("sound"), threads=1)


def test_nothing_is_silence(tagger: SoundTagger) -> None:
    tags = tagger.tag(np.zeros(2 * RATE_HZ, np.float32))
    assert tagger.labels[int(tags.argmax())] == "silence"
    assert tags.sum() == 1


@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.7, 5.0, 9.0])
def test_tags_are_probabilities_for_any_length(tagger: SoundTagger, seconds: float) -> None:
    tags = tagger.tag(np.random.default_rng(0).normal(0, 0.1, int(seconds * RATE_HZ)).astype(np.float32))
    assert tags.shape == (len(tagger.labels),)
    assert tags.sum() == pytest.approx(1, abs=1e-5)


def test_the_gain_of_the_microphone_changes_nothing(tagger: SoundTagger) -> None:
    audio = np.random.default_rng(1).normal(0, 0.05, 2 * RATE_HZ).astype(np.float32)
    assert tagger.tag(audio * 4) == pytest.approx(tagger.tag(audio), abs=1e-2)


def test_steady_noise_and_a_tone_are_background(tagger: SoundTagger) -> None:
    brown = np.cumsum(np.random.default_rng(3).normal(0, 1, 2 * RATE_HZ))
    brown = (brown - np.convolve(brown, np.ones(800) / 800, "same")) / np.abs(brown).max()
    for audio in (brown.astype(np.float32), _tone(440)):
        assert tagger.labels[int(tagger.tag(audio).argmax())] == "background noise"
