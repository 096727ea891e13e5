"""Evidence fusion: exact sums, any subset, order and age."""

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S
from sensorium.errors import SampleError
from sensorium.evidence import Calibration, Evidence, EvidenceFusion, FusionConfig, Phrase, logit_of

DIMS = 32
SENSES = {
    "vision": Calibration(mean=3.0, best=20.0, bias=-5.0, floor=0.2, base_rate=0.04, half_life_s=2),
    "audio": Calibration(
        mean=0,
        best=9.0,
        bias=-3.0,
        floor=0.3,
        base_rate=0.1,
        half_life_s=4,
        vocabulary=("a dog barking", "rain"),
    ),
    "speech": Calibration(mean=11.0, best=0, bias=-4.5, floor=0.3, base_rate=0.04, half_life_s=30),
    "text": Calibration(mean=11.0, best=0, bias=-4.5, floor=0.3, base_rate=0.04, half_life_s=30),
}
CONFIG = FusionConfig(prior=0.04, senses=SENSES)
WORDS = ("a cat", "a dog", "a dog barking", "rain", "a red cup", "")


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Sums of one fixed random vector per word: texts that share words are alike."""
    rows = [sum((_word(w) for w in text.split()), np.full(DIMS, 0.1)) for text in texts]
    return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def _word(word: str) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIMS)


FUSION = EvidenceFusion(embed, np.full(DIMS, 0.01, np.float32), CONFIG)
CANDIDATES = FUSION.candidates(("a cat", "a dog", "a red cup", "rain", "music"))

weights = st.floats(0, 1)
phrases = st.builds(Phrase, st.sampled_from(WORDS), weights, st.sampled_from(("share", "sighting")))
evidences = st.builds(
    Evidence,
    st.sampled_from(("vision", "audio", "text")),
    st.lists(phrases, max_size=6).map(tuple),
    st.integers(-(10**12), 10**12),
    weights,
    st.sampled_from(("", "speech")),
)
anything = st.lists(evidences, max_size=5)


@given(anything, st.integers(-(10**12), 10**12))
def test_log_odds_are_the_prior_plus_the_contributions_to_the_last_bit(told: list[Evidence], now_ns: int) -> None:
    scores = FUSION.fuse(told, CANDIDATES, now_ns)
    total = np.full(len(CANDIDATES.texts), scores.prior)
    for modality in sorted(scores.contributions):
        total = total + scores.contributions[modality]
    assert (scores.log_odds == total).all()
    assert np.isfinite(scores.log_odds).all()
    assert ((scores.probabilities >= 0) & (scores.probabilities <= 1)).all()
    assert set(scores.contributions) == {e.modality for e in told}


@given(anything.flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_order_of_evidence_and_phrases_changes_no_bit(pair: tuple[list[Evidence], list[Evidence]]) -> None:
    told, mixed = pair
    turned = [Evidence(e.modality, e.phrases[::-1], e.captured_ns, e.quality, e.sense) for e in mixed]
    assert (FUSION.fuse(told, CANDIDATES, 0).log_odds == FUSION.fuse(turned, CANDIDATES, 0).log_odds).all()


@given(anything)
def test_leaving_a_modality_out_leaves_the_others_contributions_as_they_were(told: list[Evidence]) -> None:
    every = FUSION.fuse(told, CANDIDATES, 0).contributions
    for missing in every:
        rest = FUSION.fuse([e for e in told if e.modality != missing], CANDIDATES, 0).contributions
        assert set(rest) == set(every) - {missing}
        assert all((rest[m] == every[m]).all() for m in rest)


def test_without_evidence_the_prior_stands() -> None:
    scores = FUSION.fuse([], CANDIDATES, 0)
    assert scores.contributions == {}
    assert (scores.log_odds == logit_of(CONFIG.prior)).all()
    assert scores.probabilities == pytest.approx(CONFIG.prior)


def test_no_candidates_give_no_scores() -> None:
    nothing = FUSION.candidates(())
    assert FUSION.fuse([Evidence("vision", (Phrase("a cat"),), 0)], nothing, 0).log_odds.shape == (0,)


def test_what_is_sighted_becomes_likely_and_the_rest_less_likely_than_before() -> None:
    scores = FUSION.fuse([Evidence("vision", (Phrase("a cat", 0.9),), 0)], CANDIDATES, 0)
    assert scores.probabilities[0] > 0.9
    assert scores.log_odds[CANDIDATES.texts.index("music")] < scores.prior


def test_evidence_counts_half_after_its_half_life() -> None:
    told = Evidence("vision", (Phrase("a cat"),), captured_ns=0)
    fresh, old = (FUSION.fuse([told], CANDIDATES, at).contributions["vision"] for at in (0, 2 * NS_PER_S))
    assert old == pytest.approx(fresh / 2)


def test_evidence_from_the_future_counts_as_fresh() -> None:
    told = Evidence("vision", (Phrase("a cat"),), captured_ns=NS_PER_S)
    assert (FUSION.fuse([told], CANDIDATES, 0).log_odds == FUSION.fuse([told], CANDIDATES, NS_PER_S).log_odds).all()


def test_evidence_of_no_quality_tells_nothing() -> None:
    told = Evidence("vision", (Phrase("a cat"),), 0, quality=0.0)
    assert (FUSION.fuse([told], CANDIDATES, 0).log_odds == logit_of(CONFIG.prior)).all()


def test_a_sense_is_silent_on_what_it_has_no_words_for() -> None:
    heard = FUSION.log_odds(Evidence("audio", (Phrase("rain", 0.9),), 0), CANDIDATES)
    assert heard[CANDIDATES.texts.index("rain")] > 3
    assert heard[CANDIDATES.texts.index("a red cup")] == 0


def test_speech_is_weighed_by_its_own_sense_but_told_under_its_modality() -> None:
    told = Evidence("audio", (Phrase("a red cup", 1.0, "share"),), 0, sense="speech")
    scores = FUSION.fuse([told], CANDIDATES, 0)
    assert list(scores.contributions) == ["audio"]
    assert scores.probabilities.argmax() == CANDIDATES.texts.index("a red cup")


def test_an_unknown_sense_is_named_with_the_known_ones() -> None:
    with pytest.raises(SampleError, match=r"smell.*known: audio, speech, text, vision"):
        FUSION.fuse([Evidence("smell", (), 0)], CANDIDATES, 0)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_weights_and_qualities_outside_0_to_1_are_refused(weight: float) -> None:
    with pytest.raises(SampleError, match="0-1"):
        Phrase("a cat", weight)
    with pytest.raises(SampleError, match="0-1"):
        Evidence("vision", (), 0, quality=weight)


def test_many_phrases_do_not_fill_the_memory() -> None:
    fusion = EvidenceFusion(embed, np.zeros(DIMS, np.float32), CONFIG)
    before = fusion.vectors(["a cat"])
    for start in range(0, 9000, 100):
        fusion.vectors([f"thing {i}" for i in range(start, start + 100)])
    assert len(fusion._rows) <= 8192
    assert (fusion.vectors(["a cat", "a dog"])[:1] == before).all()
