"""A question on a picture: what the recipe says, how questions are said otherwise, and what the set asks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium.bundle import Bundle
from sensorium_compile.data.augment import Dice, augment, load_augment
from sensorium_compile.data.examples import Examples, Pool
from sensorium_compile.data.readers.easy_vqa import part_folder
from sensorium_compile.data.vocabulary import load_tokenizer, vocabulary_file
from sensorium_compile.errors import CompileError
from sensorium_compile.model.build import build_model, example_samples
from sensorium_compile.pipeline import Budget, Job, compile_model
from sensorium_compile.recipe import ModelRecipe, load_recipe, recipe_text
from sensorium_compile.stages import Stages
from sensorium_compile.train.balance import Questions
from sensorium_compile.train.sampler import Sampler, augmenters
from sensorium_compile.zoo import Weights

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "is", "the", "shape", "red", "?", "colour", "color")
IDS = {word: i for i, word in enumerate(WORDS)}


@pytest.fixture(scope="module")
def recipe() -> ModelRecipe:
    made = load_recipe("vqa")
    assert isinstance(made, ModelRecipe)
    return made


def said(text: str) -> torch.Tensor:
    ids = [IDS[word] for word in ("[CLS]", *text.split(), "[SEP]")]
    return torch.tensor([ids + [0] * (10 - len(ids))])


def words(ids: torch.Tensor) -> str:
    return " ".join(WORDS[i] for i in ids.tolist() if i)


def test_every_word_of_the_recipe_is_in_its_vocabulary(recipe: ModelRecipe) -> None:
    tokenizer = load_tokenizer(vocabulary_file("vqa/vocab.txt"))
    asked = "Does the image not contain a teal rectangle? what color is the gray triangle, blue circle"
    assert 1 not in tokenizer.encode(asked)[:-1] or "," in asked  # a comma is unknown, no word is
    assert tokenizer.encode(asked).count(1) == 1
    changed = augmenters(recipe)["text"](torch.tensor([tokenizer.encode(asked)]), np.random.default_rng(0))
    assert changed.shape == (1, len(tokenizer.encode(asked)))


def test_teacher_and_student_are_of_the_vocabulary_and_of_one_contract(recipe: ModelRecipe) -> None:
    assert recipe.vocabulary is not None
    known = len(recipe.vocabulary.split("\n")) - 1
    for plan in (recipe.teacher, recipe.student):
        assert plan.towers["text"]["vocabulary"] == known
        model = build_model(recipe, plan, None)
        out = model(example_samples(recipe), torch.ones(1, 2))
        assert out["answer"].shape == (1, 13)


def test_words_that_a_question_does_without_are_left_out_and_the_rest_moves_up() -> None:
    config = load_augment(
        "text", {"rephrase": {"probability": 1, "share": 1, "drop": ["?", "the"]}, "words": {"probability": 0}}
    )
    out = augment(said("is the shape red ?"), config, Dice(0), "text", ids=IDS)
    assert words(out[0]) == "[CLS] is shape red [SEP]"
    assert out.shape == (1, 10)


def test_words_are_said_otherwise() -> None:
    table = {"probability": 1, "share": 1, "instead": {"color": ["colour"], "is": ["[UNK]"]}}
    config = load_augment("text", {"rephrase": table, "words": {"probability": 0}})
    out = augment(said("color is red"), config, Dice(0), "text", ids=IDS)
    assert words(out[0]) == "[CLS] colour [UNK] red [SEP]"


def test_a_word_that_the_vocabulary_lacks_is_told() -> None:
    config = load_augment("text", {"rephrase": {"probability": 1, "drop": ["hue"]}})
    with pytest.raises(CompileError, match="hue"):
        augment(said("is red"), config, Dice(0), "text", ids=IDS)


def test_given_pairs_are_drawn_as_often_as_they_are() -> None:
    labels = np.array([0] * 95 + [1] * 5)
    pool = Pool(np.zeros((100, 1, 1), np.float32), labels, ("a",) * 100, ("a",) * 100)
    examples = Examples({"nose": pool}, {"nose": np.arange(100)}, labels)
    from sensorium.inputs import ReadingsInput

    spec = {"nose": ReadingsInput(channels=1, window=1, period_ms=10)}
    rng = np.random.default_rng
    assert Sampler(examples, spec, {}, repair=False)(rng(0), 400).labels.float().mean() < 0.12
    assert Sampler(examples, spec, {}, repair=True)(rng(0), 400).labels.float().mean() == 0.5


def test_a_text_tower_without_tokens_of_its_own_gives_one_for_each_word() -> None:
    from sensorium.inputs import TextInput
    from sensorium_compile.towers import build_tower

    tower = build_tower("small_text", TextInput(tokens=10), {"vocabulary": 11, "features": 8, "tokens": 0, "width": 8})
    out = tower(said("is the shape red ?"))
    assert tower.count == 10
    assert out.shape == (1, 10, 8)


def test_the_checkpoint_has_a_vocabulary_that_is_a_file() -> None:
    assert isinstance(vocabulary_file("vqa/vocab.txt"), Path)


def test_a_set_of_one_part_is_read_whatever_the_part_is_called(tmp_path: Path) -> None:
    (tmp_path / "easy_vqa" / "test" / "images").mkdir(parents=True)
    (tmp_path / "easy_vqa" / "test" / "questions.json").write_text("[]")
    for given in (tmp_path, tmp_path / "easy_vqa", tmp_path / "easy_vqa" / "test"):
        assert part_folder(given, "easy_vqa", "train") == tmp_path / "easy_vqa" / "test"


def test_answers_to_a_question_are_drawn_alike() -> None:
    text = np.array([[2, 5, 3]] * 90 + [[2, 6, 3]] * 10)
    labels = np.array([0] * 80 + [1] * 10 + [2] * 10)
    examples = Examples({"text": Pool(text, labels, ("a",) * 100, ("a",) * 100)}, {"text": np.arange(100)}, labels)
    drawn = labels[Questions.of(examples).draw(np.random.default_rng(0), 2000)]
    assert np.bincount(drawn) / 2000 == pytest.approx([0.45, 0.45, 0.1], abs=0.04)


def test_balance_without_text_says_so() -> None:
    pool = Pool(np.zeros((4, 1, 1), np.float32), np.zeros(4, np.int64), ("a",) * 4, ("a",) * 4)
    with pytest.raises(CompileError, match="no text"):
        Questions.of(Examples({"nose": pool}, {"nose": np.arange(4)}, pool.labels))


def test_the_shipped_student_compiles_without_data_and_has_figures_of_every_subset(tmp_path: Path) -> None:
    job = Job(recipe_text("vqa"), "vqa", "x86-cpu", backends=("onnxruntime",))
    made = compile_model(job, tmp_path / "vqa", Budget(), Weights(), Stages(tmp_path / "cache"))
    report = json.loads((made.out / "report.json").read_text())
    subsets = report["student"]["subsets"]
    assert set(subsets) == {"vision", "text", "vision+text"}
    assert subsets["vision+text"]["low"] > 0.95
    assert max(subsets["vision"]["high"], subsets["text"]["high"]) < 0.5  # neither sense alone can answer
    with Bundle(made.out, target="any") as bundle:
        assert bundle.part("model").read("vocabulary").decode() == load_recipe("vqa").vocabulary
