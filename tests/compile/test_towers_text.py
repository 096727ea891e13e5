import json
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest
import torch
from tests.compile.exported import check_exports

from sensorium.components.embedder import WordPiece
from sensorium_compile.errors import CompileError
from sensorium_compile.parts.embedder import in_order
from sensorium_compile.towers import build_tower
from sensorium_compile.zoo import Weights

SENTENCES = ("a dog runs on the beach", "someone plays an old guitar", "the kettle is boiling")


@dataclass(frozen=True)
class Text:
    tokens: int = 24
    kind: str = "text"


def _tokenizer(weights: Weights) -> WordPiece:
    return WordPiece(in_order(json.loads(weights.path("minilm-tokenizer").read_bytes())["model"]["vocab"]))


def _ids(weights: Weights, length: int = 24) -> np.ndarray:
    tokenizer = _tokenizer(weights)
    ids = np.zeros((len(SENTENCES), length), np.int64)
    for row, sentence in zip(ids, SENTENCES, strict=True):
        encoded = tokenizer.encode(sentence)
        row[: len(encoded)] = encoded
    return ids


def test_it_embeds_as_the_published_int8_graph_does(weights: Weights) -> None:
    session = onnxruntime.InferenceSession(weights.path("minilm-int8"), providers=["CPUExecutionProvider"])
    ids = _ids(weights)
    tower = build_tower("minilm", Text(), {}, weights).eval()
    with torch.no_grad():
        got = tower(torch.from_numpy(ids))[:, 0]
    assert got.shape == (3, 384)
    feeds = {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64), "token_type_ids": np.zeros_like(ids)}
    hidden = session.run(None, {put.name: feeds[put.name] for put in session.get_inputs()})[0]  # (3, n, 384)
    there = feeds["attention_mask"][:, :, None]
    expected = torch.from_numpy((hidden * there).sum(1) / there.sum(1))
    assert torch.cosine_similarity(got, expected).min() > 0.97


@pytest.mark.parametrize(("name", "options"), [("minilm", {}), ("small_text", {"layers": 2})])
def test_padding_does_not_count(weights: Weights, name: str, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    short = build_tower(name, Text(12), options, weights).eval()
    long = build_tower(name, Text(24), options, weights).eval()
    state = short.state_dict()
    place = "positions" if name == "minilm" else "reader.positions"
    state[place] = torch.cat([state[place], torch.full_like(state[place], 3.0)], dim=1)
    long.load_state_dict(state)
    with torch.no_grad():
        pairs = short(torch.from_numpy(_ids(weights, 12))), long(torch.from_numpy(_ids(weights, 24)))
    np.testing.assert_allclose(*pairs, atol=1e-4)


def test_the_first_layers_are_kept(weights: Weights) -> None:
    whole = build_tower("minilm", Text(), {"pool": "tokens"}, weights).eval()
    cut = build_tower("minilm", Text(), {"pool": "tokens", "layers": 2}, weights).eval()
    seen: list[torch.Tensor] = []
    whole.get_submodule("blocks.1").register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    ids = torch.from_numpy(_ids(weights))
    with torch.no_grad():
        whole(ids)
        assert torch.equal(cut(ids), seen[0])
    assert (cut.count, cut.width) == (24, 384)


def test_small_words_start_from_those_of_minilm(weights: Weights) -> None:
    options = {"start": "minilm", "features": 48}
    made = [build_tower("small_text", Text(), options, weights).get_parameter("words.weight") for _ in range(2)]
    assert torch.equal(*made)
    words = _tokenizer(weights)
    dog, cat, tax = (made[0][words.encode(word)[1]] for word in ("dog", "cat", "tax"))
    assert torch.cosine_similarity(dog, cat, dim=0) > torch.cosine_similarity(dog, tax, dim=0) + 0.2


def test_the_order_of_words_matters() -> None:
    torch.manual_seed(0)
    tower = build_tower("small_text", Text(4), {"vocabulary": 10}).eval()
    with torch.no_grad():
        assert not torch.allclose(tower(torch.tensor([[1, 2, 3, 0]])), tower(torch.tensor([[3, 2, 1, 0]])), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("minilm", {"layers": 1, "width": 16}),
        ("small_text", {"vocabulary": 200, "tokens": 2, "width": 16, "features": 32}),
    ],
)
def test_they_export(name: str, options: dict[str, object]) -> None:
    ids = torch.tensor([[101, 7, 8, 9, 102, 0, 0, 0]])
    check_exports(build_tower(name, Text(8), options), ids)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(CompileError, match="reads 512 tokens at most; given 600"):
        build_tower("minilm", Text(600), {})
    with pytest.raises(CompileError, match="words of minilm: vocabulary = 30522"):
        build_tower("small_text", Text(), {"start": "minilm", "vocabulary": 100})
    with pytest.raises(CompileError, match="3 heads do not divide a width of 64"):
        build_tower("small_text", Text(), {"heads": 3})
