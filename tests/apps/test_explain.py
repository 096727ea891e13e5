"""Which sense caused an answer, and what it would have been without each."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.apps.samples_of_events import percept
from typer.testing import CliRunner

from sensorium.events import Candidate, Percept, to_json
from sensorium.evidence import logit_of, sigmoid
from sensorium_apps.app import app
from sensorium_apps.explain_view import headline, table
from sensorium_apps.explanation import Changes, explain, without
from sensorium_apps.journal import recorded_percepts
from sensorium_devices.images import read_image
from sensorium_devices.recording import Recorder

CAT = Candidate("a cat", float(sigmoid(np.array(1.5))), {"vision": 4.0, "audio": -0.5})
DOG = Candidate("a dog", float(sigmoid(np.array(-1.0))), {"vision": -2.0, "audio": 3.0})


def log_of(path: Path, *percepts: Percept) -> Path:
    path.write_text("".join(f"{to_json(p)}\n" for p in percepts))
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["explain", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_answer_without_a_sense_is_the_best_of_the_rest() -> None:
    found = explain((CAT, DOG), percept(1.0).senses)
    assert found is not None
    assert (found.answer.text, found.causes) == ("a cat", ("vision",))
    eye, ear = found.shares
    assert eye.without is not None
    assert ear.without is not None
    assert (eye.without.text, round(logit_of(eye.without.probability), 6)) == ("a dog", 1.0)
    assert (ear.without.text, round(logit_of(ear.without.probability), 6)) == ("a cat", 2.0)


@given(st.lists(st.tuples(st.floats(-20, 20), st.floats(-15, 15), st.floats(-15, 15)), min_size=1, max_size=5))
def test_taking_a_sense_away_gives_what_evidence_fusion_gives_without_it(
    rows: list[tuple[float, float, float]],
) -> None:
    def fused(eye: bool) -> list[float]:
        return [max(-20.0, min(20.0, prior / 20)) + ear + (seen if eye else 0.0) for prior, seen, ear in rows]

    probabilities = sigmoid(np.array(fused(True)))
    told = [
        Candidate(str(n), float(p), {"vision": seen, "audio": ear})
        for n, (p, (_, seen, ear)) in enumerate(zip(probabilities, rows, strict=True))
        if 1e-8 < p < 1 - 1e-8
    ]
    if told:
        expected = sigmoid(np.array(fused(False)))[[int(c.text) for c in told]].max()
        assert without(told, "vision").probability == pytest.approx(float(expected), abs=1e-6)


def test_a_table_shows_the_cause_the_health_and_the_answer_without() -> None:
    found = explain((CAT, DOG), percept(1.0).senses)
    assert found is not None
    assert headline(found) == "a cat 82%, by camera"
    screen = Console(width=120, file=io.StringIO())
    screen.print(table(found))
    shown = screen.file.getvalue()  # type: ignore[attr-defined]
    for text in ("a cat 82%, by camera", "+4.0 ━", "-0.5 ━", "a dog, 73%", "the same, 88%", "live", "0.1 s"):
        assert text in shown


def test_only_new_answers_that_stand_are_told() -> None:
    dog = Candidate("a dog", 0.9, {"audio": 3.0})
    unsure = Candidate("a dog", 0.4, {"audio": 0.3})
    changes = Changes()
    order = [CAT, CAT, CAT, dog, CAT, dog, dog, unsure, dog, dog]
    news = [changes.take(percept(float(n), candidates=(best,))) for n, best in enumerate(order)]
    assert [n for n, found in enumerate(news) if found] == [1, 6, 9]


def test_a_recording_and_lines_of_json_are_explained_alike(tmp_path: Path) -> None:
    percepts = [percept(1.0 + n / 5, candidates=(CAT, DOG)) for n in range(5)]
    lines = log_of(tmp_path / "log.jsonl", *percepts)
    with Recorder(tmp_path / "talk.mcap") as recorder:
        for one in percepts:
            recorder.message("events", to_json(one).encode(), one.at_ns)
    assert run(lines) == run(tmp_path / "talk.mcap")
    shown = run(lines)
    assert "0.2 s, rung full" in shown
    assert shown.count("a cat 82%, by camera") == 1
    told = json.loads(run(lines, "--json", "--at", "0.5"))
    assert (told["at_s"], told["causes"], told["answer"]["text"]) == (0.4, ["vision"], "a cat")
    assert list(recorded_percepts(lines)) == list(recorded_percepts(tmp_path / "talk.mcap"))


def test_a_picture_of_the_whole_session_is_drawn(tmp_path: Path) -> None:
    dog = Candidate("a dog", 0.9, {"audio": 3.0})
    lines = log_of(tmp_path / "log.jsonl", *(percept(n / 5, candidates=(CAT if n < 20 else dog,)) for n in range(40)))
    run(lines, "--png", tmp_path / "why.png")
    drawn = read_image(tmp_path / "why.png")
    assert drawn.shape[1] > 1000
    assert drawn.std() > 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json\n", "no event of a session"),
        ('{"event": "percept"}\n', "no event of a session"),
        ("", "none of its 0 percepts has candidates"),
    ],
)
def test_a_file_that_explains_nothing_is_one_clear_error(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(content)
    done = CliRunner().invoke(app, ["explain", str(tmp_path / "log.jsonl")])
    assert done.exit_code == 1
    assert said in done.output
