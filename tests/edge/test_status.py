"""The status ladder: it follows from evidence, and nothing can be claimed above what was proved."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.edge.tiny_model import write_bundle

from sensorium.bundle import STAGES, Bundle, Evidence, GraphEntry, prove, status_of
from sensorium.bundle.evidence import Stage, lowest
from sensorium.bundle.loaded import MANIFEST
from sensorium.errors import BundleError

stages = st.sets(st.sampled_from(STAGES))


def _evidence(stage: Stage) -> Evidence:
    return prove(stage, "tool", "1.0", "tool --do", b"out", machine="here" if stage == "measured" else "")


def _entry(**more: object) -> GraphEntry:
    return GraphEntry.model_validate({"file": "a.onnx", "backend": "onnxruntime", "inputs": (), "outputs": (), **more})


@given(stages)
def test_a_rung_is_reached_over_all_those_below_it(proved: set[Stage]) -> None:
    status = status_of(map(_evidence, proved))
    if status is None:
        assert "exported" not in proved
        return
    below = set(STAGES[: STAGES.index(status) + 1])
    assert below - proved <= ({"emulated"} if "measured" in proved else set())


@given(stages, st.sampled_from(STAGES))
def test_no_status_can_be_written_that_the_evidence_does_not_prove(proved: set[Stage], claimed: Stage) -> None:
    evidence = tuple(map(_evidence, sorted(proved)))
    if claimed == status_of(evidence):
        assert _entry(evidence=evidence, status=claimed).status == claimed
        return
    with pytest.raises(ValidationError, match=f"status {claimed} is claimed for a.onnx, its evidence proves"):
        _entry(evidence=evidence, status=claimed)


@given(stages)
def test_a_status_travels_through_json_with_its_evidence(proved: set[Stage]) -> None:
    entry = _entry(evidence=tuple(map(_evidence, sorted(proved))))
    told = json.loads(entry.model_dump_json())
    assert told.get("status") == status_of(entry.evidence)
    assert GraphEntry.model_validate_json(entry.model_dump_json()) == entry


def test_a_measurement_says_on_which_machine() -> None:
    with pytest.raises(ValidationError, match="measured alone has one"):
        prove("measured", "tool", "1.0", "tool --do", b"out")
    with pytest.raises(ValidationError, match="measured alone has one"):
        prove("compiled", "tool", "1.0", "tool --do", b"out", machine="here")


@pytest.mark.parametrize("missing", ["tool", "version", "command"])
def test_evidence_names_the_tool_its_version_and_what_was_done(missing: str) -> None:
    told = {"stage": "exported", "tool": "a", "version": "1", "command": "a b", "output_sha256": "0" * 64} | {
        missing: ""
    }
    with pytest.raises(ValidationError, match=missing):
        Evidence.model_validate(told)


def test_several_graphs_stand_where_the_one_stands_that_got_least_far() -> None:
    assert lowest(["measured", "linted", "compiled"]) == "linted"
    assert lowest(["measured", None]) is None
    assert lowest([]) is None


def test_a_bundle_whose_status_was_written_by_hand_is_refused(tmp_path: Path) -> None:
    folder = _with_graph(tmp_path, {"status": "measured"})
    with pytest.raises(BundleError, match=r"status measured is claimed for .*, its evidence proves None"):
        Bundle(folder, target="any")


def test_a_bundle_with_evidence_of_another_file_is_refused(tmp_path: Path) -> None:
    other = _evidence("exported").model_dump(mode="json")
    with pytest.raises(BundleError, match=r"the evidence for .* is of another file"):
        Bundle(_with_graph(tmp_path, {"evidence": [other]}), target="any")


def _with_graph(folder: Path, change: dict[str, object]) -> Path:
    """A bundle whose manifest was edited in its first graph."""
    made = write_bundle(folder)
    told = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
    part = next(part for part in told["parts"].values() if part["graphs"])
    next(iter(part["graphs"].values())).update(change)
    (made / MANIFEST).write_text(json.dumps(told), encoding="utf-8")
    return made
