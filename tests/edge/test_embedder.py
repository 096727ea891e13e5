"""The text space: the tokenizer against the library, vectors on real weights."""

import json
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sensorium.bundle import Bundle
from sensorium.components.embedder import TextEmbedder, WordPiece, dump_seeds, load_seeds, normalised
from sensorium.errors import BundleError
from sensorium.evidence import Evidence, EvidenceFusion, Phrase
from sensorium_compile.parts.embedder import TOKENIZER, in_order
from sensorium_compile.zoo import Weights

# Characters where the library's older Unicode tables and Python's agree: assigned before Unicode 8.
_PLAIN = st.characters(max_codepoint=0x52F)
_CJK_AND_EMOJI = st.characters(min_codepoint=0x3000, max_codepoint=0x9FD5) | st.sampled_from("🙂🚗𠀀﷽𝔘")
_CONTROL = st.sampled_from("\x00\x01\t\n\r\x0b\x0c\x1c\x7f\x85\xa0\xad\u200b\u200d\u2028\ufeff\ufffd\ue000")
_PIECES = st.sampled_from(["[CLS]", "[MASK]", "[UNK]", "unaffable", "don't", "naïve", "İstanbul", "ΣΑΣ", "x" * 101])
TEXTS = st.lists(st.text(_PLAIN | _CJK_AND_EMOJI | _CONTROL, max_size=40) | _PIECES, max_size=8).map("".join)


@cache
def _pair(path: str) -> tuple[Tokenizer, WordPiece]:
    theirs = Tokenizer.from_file(path)
    theirs.no_padding()
    settings = json.loads(Path(path).read_text("utf-8"))
    return theirs, WordPiece(in_order(settings["model"]["vocab"]))


@given(text=TEXTS)
def test_ids_are_those_of_the_tokenizers_library(weights: Weights, text: str) -> None:
    theirs, ours = _pair(str(weights.path(TOKENIZER)))
    assert ours.encode(text) == theirs.encode(text).ids


def test_of_all_characters_only_a_few_newly_assigned_ones_are_normalised_differently(
    weights: Weights,
) -> None:
    theirs, _ = _pair(str(weights.path(TOKENIZER)))
    characters = [chr(i) for i in range(0x30000) if unicodedata.category(chr(i)) not in ("Cs", "Cn")]
    other = [c for c in characters if theirs.normalizer.normalize_str(c) != normalised(c)]
    assert len(other) < 600  # combining marks that came after Unicode 8, the version of the library's tables
    assert not [c for c in other if ord(c) < 0x0530]


def test_long_texts_are_cut_to_the_limit(weights: Weights) -> None:
    theirs, ours = _pair(str(weights.path(TOKENIZER)))
    text = "a red cup " * 100
    assert len(ours.encode(text)) == 128
    assert ours.encode(text) == theirs.encode(text).ids


def test_a_vocabulary_that_is_not_berts_is_refused() -> None:
    with pytest.raises(BundleError, match=r"\[CLS\]"):
        WordPiece(["a", "b", "[UNK]", "[PAD]"])


def test_a_vocabulary_with_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="gaps"):
        in_order({"a": 0, "b": 2})


def test_seeds_come_back_as_they_were() -> None:
    seeds = {"a cat": np.array([0.6, 0.8], np.float32), "ein Hündchen": np.array([1, 0], np.float32)}
    back = load_seeds(dump_seeds(seeds))
    assert list(back) == list(seeds)
    assert all((back[text] == vector).all() for text, vector in seeds.items())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no file at all"])
def test_damaged_seeds_are_a_clear_error(content: bytes) -> None:
    with pytest.raises(BundleError, match="seeds"):
        load_seeds(content)


@pytest.fixture(scope="module")
def embedder(companion: Bundle) -> TextEmbedder:
    return TextEmbedder(companion.part("embedder"), threads=1)


def test_vectors_have_length_one_and_alike_texts_are_near(embedder: TextEmbedder) -> None:
    vectors = embedder.embed(["A man is eating food.", "A man eats a piece of bread.", "The girl plays drums.", ""])
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.6 > 0.3 > vectors[0] @ vectors[2]


def test_a_text_has_the_same_vector_alone_in_company_and_from_the_cache(embedder: TextEmbedder) -> None:
    alone = embedder.embed(["a wooden chair"])[0]
    again = embedder.embed(["where can I sit down?", "a wooden chair", "tench"])[1]
    assert (alone == again).all()


def test_seeds_are_what_the_graph_would_have_given(companion: Bundle, embedder: TextEmbedder) -> None:
    fresh = TextEmbedder(companion.part("embedder"), threads=1)
    fresh._seeds = {}
    assert fresh.embed(["tench", "person"]) == pytest.approx(embedder.embed(["tench", "person"]), abs=1e-6)


def test_no_texts_give_no_vectors(embedder: TextEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_the_cache_keeps_no_more_than_it_may(companion: Bundle) -> None:
    small = TextEmbedder(companion.part("embedder"), threads=1)
    small._cache_size = 2
    small.embed([f"number {i}" for i in range(4)])
    assert list(small._cache) == ["number 2", "number 3"]


def test_a_puppy_is_found_where_a_dog_was_detected(embedder: TextEmbedder) -> None:
    fusion = EvidenceFusion(embedder.embed, embedder.centre, embedder.fusion)
    candidates = fusion.candidates(["a puppy", "a cat", "a bus", "a red cup"])
    seen = Evidence("vision", (Phrase("dog", 0.8), Phrase("golden retriever", 0.7, "share")), 0)
    chances = fusion.fuse([seen], candidates, 0).probabilities
    assert chances.argmax() == 0
    assert chances[0] > 0.5
    assert chances[2:].max() < 0.1


def test_barking_is_heard_as_a_dog_and_tells_nothing_of_cups(embedder: TextEmbedder) -> None:
    fusion = EvidenceFusion(embedder.embed, embedder.centre, embedder.fusion)
    candidates = fusion.candidates(["a dog barking", "a dog", "a red cup"])
    told = fusion.log_odds(Evidence("audio", (Phrase("a dog barking", 0.9),), 0), candidates)
    assert told[0] > 3
    assert told[1] > 0.5
    assert abs(told[2]) < 0.7
