import numpy as np
import pytest
from tests.compile import tiny_model

from sensorium.learned import ClassesHead, ModelConfig
from sensorium.samples import Array
from sensorium_compile.data.examples import Examples, Pool
from sensorium_compile.errors import CompileError
from sensorium_compile.verify.evaluate import predict, score
from sensorium_compile.verify.gate import figures
from sensorium_compile.verify.opened import Memory, OpenedModel


class Counting:
    """A graph that counts its runs."""

    def __init__(self, opened: object) -> None:
        self.inner, self.runs = opened, 0
        self.inputs, self.outputs = opened.inputs, opened.outputs  # type: ignore[attr-defined]

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        self.runs += 1
        return self.inner.run(feeds)  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def model() -> OpenedModel:
    opened = OpenedModel.open(tiny_model.graphs())
    return OpenedModel({name: Counting(graph) for name, graph in opened.encoders.items()}, Counting(opened.fusion))


def test_every_subset_is_answered_with_the_senses_it_has(model: OpenedModel) -> None:
    examples = tiny_model.examples(30)
    answers = predict(model, examples, tiny_model.CONFIG.modalities)
    assert list(answers) == ["vision", "audio", "vision+audio"]
    assert [len(one.examples) for one in answers.values()] == [30, 27, 27], "every tenth has no sound"
    picture = examples.pools["vision"].samples[3].mean(axis=(0, 1)) / 255
    sound = np.abs(examples.pools["audio"].samples[3]).reshape(3, 600).mean(axis=1)
    np.testing.assert_allclose(answers["vision"].outputs["digit"][3], 10 * picture, rtol=1e-5)
    np.testing.assert_allclose(answers["audio"].outputs["digit"][3], 10 * sound, rtol=1e-5)
    np.testing.assert_allclose(answers["vision+audio"].outputs["digit"][3], 10 * (picture + sound), rtol=1e-5)


def test_two_senses_are_better_than_one_and_the_figures_say_so(model: OpenedModel) -> None:
    examples = tiny_model.examples(600)
    scores = score(predict(model, examples, tiny_model.CONFIG.modalities), examples, tiny_model.CONFIG)
    told = figures(scores)
    assert told["vision+audio"].accuracy > max(told["vision"].accuracy, told["audio"].accuracy) + 0.03
    assert told["audio"].n == 540


def test_encoders_run_once_a_sample_and_the_fusion_once_a_combination(model: OpenedModel) -> None:
    examples = tiny_model.examples(9)
    twice = examples.take(np.arange(9).repeat(2))
    answers = predict(model, twice, tiny_model.CONFIG.modalities)
    assert [graph.runs for graph in model.encoders.values()] == [9, 9]  # type: ignore[attr-defined]
    assert model.fusion.runs == 3 * 9  # type: ignore[attr-defined]
    assert all(len(one.examples) == 18 for one in answers.values())
    told = figures(score(answers, twice, tiny_model.CONFIG))
    assert {one.n for one in told.values()} == {9}, "what was answered before is no new evidence"


def test_forms_that_share_an_encoder_ask_it_once(model: OpenedModel) -> None:
    memory: Memory = {}
    names = {"vision": "a", "audio": "b"}
    examples = tiny_model.examples(9)
    plain = predict(model, examples, tiny_model.CONFIG.modalities)
    again = [predict(model.remembering(names, memory), examples, tiny_model.CONFIG.modalities) for _ in range(2)]
    assert [graph.runs for graph in model.encoders.values()] == [18, 18]  # type: ignore[attr-defined]
    for one in again:
        np.testing.assert_array_equal(one["vision+audio"].outputs["digit"], plain["vision+audio"].outputs["digit"])
    other = model.remembering({"vision": "other", "audio": "b"}, memory)
    predict(other, examples, tiny_model.CONFIG.modalities)
    assert [graph.runs for graph in model.encoders.values()] == [27, 18]  # type: ignore[attr-defined]


def test_equal_texts_are_encoded_once() -> None:
    # The text encoder is not run here: what counts is which rows it would be run for.
    from sensorium.inputs import TextInput
    from sensorium_compile.verify.evaluate import _rows

    samples = np.array([[1, 2, 0], [1, 3, 0], [1, 2, 0]])
    pool = Pool(samples, np.zeros(3, np.int64), ("a", "b", "c"), ("a", "b", "c"))
    np.testing.assert_array_equal(_rows(pool, np.array([0, 1, 2, -1]), TextInput(tokens=3)), [0, 1, 0, -1])


def test_a_sense_that_the_examples_lack_leaves_its_subsets_out(model: OpenedModel) -> None:
    whole = tiny_model.examples(6)
    only = Examples({"audio": whole.pools["audio"]}, {"audio": whole.index["audio"]}, whole.labels)
    assert list(predict(model, only, tiny_model.CONFIG.modalities)) == ["audio"]


def test_a_sense_that_the_model_lacks_is_told(model: OpenedModel) -> None:
    whole = tiny_model.examples(6)
    other = Examples({"smell": whole.pools["audio"]}, {"smell": whole.index["audio"]}, whole.labels)
    with pytest.raises(CompileError, match="no modality 'smell'; known: audio, vision"):
        predict(model, other, tiny_model.CONFIG.modalities)


def test_examples_without_a_label_do_not_count(model: OpenedModel) -> None:
    whole = tiny_model.examples(6)
    unlabelled = Examples(whole.pools, whole.index, np.array([0, -1, 2, -1, -1, 2]))
    scores = score(predict(model, unlabelled, tiny_model.CONFIG.modalities), unlabelled, tiny_model.CONFIG)
    np.testing.assert_array_equal(scores["vision"].examples, [0, 2, 5])


def test_the_temperature_of_a_subset_changes_confidence_only(model: OpenedModel) -> None:
    examples = tiny_model.examples(60)
    answers = predict(model, examples, tiny_model.CONFIG.modalities)
    heads = {"digit": ClassesHead(labels=tiny_model.LABELS)}
    warm = ModelConfig(modalities=tiny_model.CONFIG.modalities, heads=heads, temperature={"vision": 100.0})
    plain, warmer = (figures(score(answers, examples, config)) for config in (tiny_model.CONFIG, warm))
    assert plain["vision"].accuracy == warmer["vision"].accuracy
    assert plain["vision"].ece != warmer["vision"].ece
    assert plain["audio"] == warmer["audio"]
