import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_compile.errors import CompileError
from sensorium_compile.verify import temperature
from sensorium_compile.verify.gate import (
    RESAMPLES,
    Form,
    Rules,
    Scores,
    SubsetScores,
    bootstrap,
    contribution_shift,
    contributions,
    ece,
    figures,
    judge,
    worst,
)

N, CLASSES = 400, 5


def scores(accuracy: float, *, seed: int = 0, temperature: float = 1.0) -> SubsetScores:
    """Logits whose first ``accuracy`` share of answers are right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, N)
    chosen = np.where(np.arange(N) < round(accuracy * N), labels, (labels + 1) % CLASSES)
    return SubsetScores.of_logits(4 * np.eye(CLASSES)[chosen], labels, temperature=temperature)


def model(vision: float, audio: float, both: float) -> Scores:
    return {"vision": scores(vision), "audio": scores(audio), "vision+audio": scores(both)}


FLOAT = Form("float", model(0.95, 0.90, 0.99))


def test_the_interval_is_that_of_resampling_indices() -> None:
    values = np.random.default_rng(1).random(300)
    drawn = np.random.default_rng(2).integers(0, 300, (RESAMPLES, 300))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    told = bootstrap(values)
    assert told.mean == pytest.approx(values.mean())
    assert (told.low, told.high) == pytest.approx((low, high), abs=0.004)


def test_the_interval_of_shares_holds_what_normal_theory_says() -> None:
    told = bootstrap(np.arange(1000) < 900)
    half = 1.96 * (0.9 * 0.1 / 1000) ** 0.5
    assert (told.low, told.high) == pytest.approx((0.9 - half, 0.9 + half), abs=0.002)


def test_the_same_answers_give_the_same_interval() -> None:
    values = np.random.default_rng(1).random(100)
    assert bootstrap(values) == bootstrap(values.copy())


@pytest.mark.parametrize(
    ("right", "low", "high"), [(True, 0.025 ** (1 / 50), 1.0), (False, 0.0, 1 - 0.025 ** (1 / 50))]
)
def test_answers_that_are_all_right_or_all_wrong_leave_a_doubt(right: bool, low: float, high: float) -> None:
    told = bootstrap(np.full(50, right))
    assert (told.low, told.high) == pytest.approx((low, high))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_an_interval_holds_its_mean(right: list[bool]) -> None:
    told = bootstrap(np.array(right))
    assert 0 <= told.low <= told.mean + 1e-12
    assert told.mean <= told.high + 1e-12 <= 1 + 2e-12


def test_figures_tell_every_subset_and_the_worst() -> None:
    told = figures(FLOAT.scores)
    assert {name: one.accuracy for name, one in told.items()} == pytest.approx(
        {"vision": 0.95, "audio": 0.9, "vision+audio": 0.99}
    )
    assert all(one.n == N for one in told.values())
    assert worst(told)[0] == "audio"


def test_a_form_equal_to_its_reference_passes_with_full_agreement() -> None:
    told = figures(FLOAT.scores, FLOAT.scores)
    assert all(one.agreement == 1.0 and one.drop is not None and one.drop.high == 0.0 for one in told.values())
    verdict = judge(FLOAT, FLOAT)
    assert verdict.passed
    assert verdict.reasons == verdict.notes == ()


def test_the_worst_subset_decides() -> None:
    verdict = judge(Form("int8", model(0.95, 0.80, 0.99)), FLOAT)
    assert not verdict.passed
    (reason,) = verdict.reasons
    assert reason.startswith("audio falls from 0.900 to 0.800: 10.0 points (95%: ")
    assert reason.endswith("on 400 examples; allowed: 1 in the worst subset")


def test_a_small_drop_passes_and_its_doubt_is_told() -> None:
    verdict = judge(Form("int8", model(0.95, 0.895, 0.99)), FLOAT)
    assert verdict.passed
    (note,) = verdict.notes
    assert note.startswith("audio may lose more than 1 points: 0.5 points (95%: 0.0 to ")


def test_a_paired_interval_is_narrower_than_two_intervals() -> None:
    told = figures(model(0.95, 0.88, 0.99), FLOAT.scores)["audio"]
    assert told.drop is not None
    assert told.drop.mean == pytest.approx(2.0)
    assert told.drop.high - told.drop.low < 100 * (told.high - told.low)


def test_slower_than_float_is_refused_with_both_times() -> None:
    verdict = judge(Form("int8", FLOAT.scores, ms=3.0, float_ms=2.0), FLOAT)
    assert verdict.reasons == (
        "an answer takes 3.00 ms, 1.50 times its float form's 2.00 ms on the same backend; "
        "slower forms are not shipped",
    )
    assert judge(Form("int8", FLOAT.scores, ms=2.01, float_ms=2.0), FLOAT).passed, "within what a run differs by"


def test_outputs_that_are_no_numbers_are_refused_and_count_as_wrong() -> None:
    logits = np.eye(2)[[0, 1, 1]]
    logits[0, 0] = np.nan
    bad = {"vision": SubsetScores.of_logits(logits, [0, 1, 1])}
    good = {"vision": SubsetScores.of_logits(np.eye(2)[[0, 1, 1]], [0, 1, 1])}
    verdict = judge(Form("int8", bad), Form("float", good))
    assert not verdict.passed
    assert verdict.reasons[0] == "outputs for vision are no numbers (NaN or infinite)"
    assert figures(bad)["vision"].accuracy == pytest.approx(2 / 3)


def test_operators_that_fell_back_are_told() -> None:
    verdict = judge(Form("int8", FLOAT.scores, fallbacks=("LayerNormalization x12",)), FLOAT)
    assert verdict.passed
    assert verdict.notes == ("the backend left LayerNormalization x12 to its slow or float path",)


def test_an_accuracy_can_be_asked_of_the_worst_subset() -> None:
    verdict = judge(FLOAT, FLOAT, Rules(min_accuracy=0.92))
    assert verdict.reasons == ("audio reaches 0.900; at least 0.92 is asked of the worst subset",)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    logits = np.log(np.tile([0.8, 0.2], (100, 1)))
    assert ece(logits, np.array([0] * 80 + [1] * 20)) == pytest.approx(0.0, abs=1e-9)
    assert ece(logits, np.array([0] * 50 + [1] * 50)) == pytest.approx(0.3)
    assert ece(np.log([[0.5, 0.5], [0.999, 0.001]]), np.array([0, 1])) == pytest.approx((0.5 + 0.999) / 2)


def test_a_sense_that_adds_nothing_contributes_nothing() -> None:
    labels = np.array([0, 1])
    both = np.array([[2.0, 0.0], [0.0, 3.0]])
    told = contributions(
        {
            "vision": SubsetScores.of_logits(both, labels),
            "audio": SubsetScores.of_logits(both * 0, labels),
            "vision+audio": SubsetScores.of_logits(both, labels),
        }
    )
    assert told == pytest.approx({"vision": 2.5, "audio": 0.0})


def test_contributions_pair_examples_by_their_numbers_and_shift_is_after_less_before() -> None:
    labels = np.array([0, 1])
    both = np.array([[2.0, 0.0], [0.0, 3.0]])
    before = {
        "vision": SubsetScores.of_logits(both * 0, labels, examples=[4, 5]),
        "audio": SubsetScores.of_logits(both[1:] * 0, labels[1:], examples=[5]),
        "vision+audio": SubsetScores.of_logits(both[1:], labels[1:], examples=[5]),
    }
    after = {**before, "vision+audio": SubsetScores.of_logits(both[1:] * 2, labels[1:], examples=[5])}
    shift = contribution_shift(after, before)
    assert shift["audio"].before == pytest.approx(3.0)
    assert shift["audio"].change == pytest.approx(3.0)


def test_one_sense_alone_has_no_contributions() -> None:
    assert contributions({"vision": scores(0.9)}) == {}


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), [0, 3], r"labels go from 0 to 3, the head has 3 classes"),
        (np.zeros((2, 3)), [0], r"given \(2, 3\), \(1,\)"),
        (np.zeros((0, 3)), [], r"n at least 1"),
    ],
)
def test_scores_that_do_not_fit_are_named(logits: np.ndarray, labels: list[int], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        SubsetScores.of_logits(logits, np.array(labels, int))


def test_forms_measured_on_other_examples_do_not_pair() -> None:
    few = {"vision": SubsetScores.of_values(np.ones(3))}
    many = {"vision": SubsetScores.of_values(np.ones(4))}
    with pytest.raises(CompileError, match="3 and 4 examples do not pair"):
        figures(few, many)
    with pytest.raises(CompileError, match="subsets vision cannot be compared with audio"):
        figures(few, {"audio": few["vision"]})


def test_a_temperature_makes_probabilities_honest_and_changes_no_decision() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 2000)
    honest = rng.normal(0, 1, (2000, 4))
    drawn = (honest + rng.gumbel(size=honest.shape)).argmax(1)  # a label with the probability that the logits tell
    boastful = {"audio": SubsetScores.of_logits(honest * 3, drawn)}
    assert temperature.shipped(boastful)["audio"] == pytest.approx(3, rel=0.15)
    halves = temperature.halves(boastful)
    measured = temperature.divided(boastful, halves)
    before, after = (figures(scores)["audio"] for scores in (boastful, measured))
    assert before.ece is not None
    assert after.ece is not None
    assert after.ece < 0.04 < before.ece
    assert after.accuracy == before.accuracy
    # Each half is measured with what the other half told.
    even = {"audio": SubsetScores.of_logits(np.where(np.arange(2000)[:, None] % 2, honest, honest * 9), drawn)}
    of_even, of_odd = temperature.halves(even)["audio"]
    assert of_even < of_odd
    few = {"audio": SubsetScores.of_logits(honest[:10] * 3, labels[:10])}
    assert temperature.shipped(few) == {"audio": 1.0}
