from pathlib import Path

import pytest

from sensorium_compile.errors import CompileError
from sensorium_compile.verify.pareto import Choice, front, load, pick, save


def choice(name: str, accuracy: float, ms: float, mb: float, **changes: object) -> Choice:
    made = {"name": name, "backend": "litert", "precision": "int8", "accuracy": accuracy, "ms": ms}
    return Choice.model_validate(made | {"size_bytes": int(mb * 1e6), "subset": "audio"} | changes)


EXACT = choice("exact", 0.99, 8.0, 6.0)
FAST = choice("fast", 0.98, 2.0, 2.0)
SMALL = choice("small", 0.97, 4.0, 1.0)
DULL = choice("dull", 0.97, 9.0, 7.0)
WRONG = choice("wrong", 0.20, 0.1, 0.1, passed=False, reasons=("audio falls from 0.990 to 0.200",))
ALL = (EXACT, FAST, SMALL, DULL, WRONG)


def test_the_front_leaves_out_what_is_beaten_and_what_failed_the_gate() -> None:
    assert front(ALL) == (FAST, SMALL, EXACT)


def test_of_two_equals_both_stay_on_the_front() -> None:
    twin = choice("twin", 0.98, 2.0, 2.0)
    assert front((FAST, twin)) == (FAST, twin)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({}, FAST),
        ({"min_accuracy": 0.985}, EXACT),
        ({"max_mb": 1.5}, SMALL),
        ({"max_ms": 8.0, "min_accuracy": 0.99}, EXACT),
    ],
)
def test_the_fastest_within_the_budget_is_picked(budget: dict[str, float], expected: Choice) -> None:
    assert pick(ALL, **budget) is expected


def test_a_budget_that_nothing_keeps_lists_what_is_possible() -> None:
    with pytest.raises(CompileError) as err:
        pick(ALL, max_ms=1.0, min_accuracy=0.9)
    assert str(err.value) == (
        "no candidate takes at most 1 ms and reaches 0.9 in its worst subset; possible: "
        "fast: 2.00 ms, 2.00 MB, 0.980 (audio); small: 4.00 ms, 1.00 MB, 0.970 (audio); "
        "exact: 8.00 ms, 6.00 MB, 0.990 (audio)"
    )


def test_where_all_were_refused_the_reasons_are_told() -> None:
    with pytest.raises(CompileError, match=r"no candidate passed the gate; refused: wrong: audio falls from 0\.990"):
        pick((WRONG,))


def test_choices_survive_a_file(tmp_path: Path) -> None:
    save(tmp_path / "cache" / "choices.json", ALL)
    assert load(tmp_path / "cache" / "choices.json") == ALL


def test_a_missing_or_damaged_file_says_to_compile(tmp_path: Path) -> None:
    path = tmp_path / "choices.json"
    with pytest.raises(CompileError, match="compile once without --pick"):
        load(path)
    path.write_text('[{"name": 1}]')
    with pytest.raises(CompileError, match="damaged"):
        load(path)
