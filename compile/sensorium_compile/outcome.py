"""From what a run measured to its report, and to the record that travels with a checkpoint."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.bundle import Origin, status_of
from sensorium.learned.config import VOCABULARY, ModelConfig
from sensorium_compile.checkpoint import AUGMENTED, WEIGHTS, FormRecord, Record, Row, weight_files
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.lower.candidates import Candidate
from sensorium_compile.material import Material, seeds
from sensorium_compile.pipeline import Job
from sensorium_compile.recipe import ModelRecipe
from sensorium_compile.report import Block, CandidateRow, DataRow, GraphRow, Report, StageFigures, StageRow, SubsetRow
from sensorium_compile.report.schema import shipped_figures
from sensorium_compile.stages import tool_versions
from sensorium_compile.verify.gate import Scores, SubsetFigures, Verdict, figures
from sensorium_compile.verify.golden import Parity
from sensorium_compile.verify.measure import FormLatency
from sensorium_compile.verify.profile import block_times

UNMEASURED = "accuracy was not measured here: no data; the figures are those recorded with the checkpoint"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A candidate with all that is known of it."""

    candidate: Candidate
    verdict: Verdict
    scores: Scores | None  # on data that the student never saw; None without data
    recorded: Mapping[str, Row] | None  # without data: figures of the same bytes, measured earlier
    latency: FormLatency
    parity: Parity

    @property
    def rows(self) -> dict[str, SubsetRow]:
        """Figures by subset; empty where nobody measured these bytes."""
        if self.scores is not None:
            return {name: SubsetRow.of(told) for name, told in figures(self.scores).items()}
        return {name: SubsetRow(**row.model_dump()) for name, row in (self.recorded or {}).items()}

    @property
    def worst(self) -> tuple[float, str]:
        """Accuracy of the worst subset, and its name; 0 where it is not known."""
        rows = self.rows
        if not rows:
            return 0.0, "not measured"
        subset = min(rows, key=lambda name: rows[name].accuracy)
        return rows[subset].accuracy, subset


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a run found beside its candidates."""

    job: Job
    recipe: ModelRecipe
    config: ModelConfig
    material: Material
    teacher: Scores | None
    student: Scores | None
    refused: Mapping[str, str]
    notes: Sequence[str]  # what is left out and why; what an emulated processor decided
    stages: Sequence[StageRow]
    times: Mapping[str, FormLatency]
    teacher_bytes: int
    hard: Mapping[str, Mapping[str, SubsetFigures]]  # teacher, student -> cell of the hard protocol

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where the weights are from: this student, and the data that taught it."""
        return origins_of(self.recipe, self.material)


def origins_of(recipe: ModelRecipe, material: Material) -> tuple[Origin, ...]:
    """Where a student's weights are from, and the data that taught it."""
    files = weight_files(material.folder / WEIGHTS)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    plans = recipe.modalities
    sources = [(name, source) for name, plan in plans.items() for source in plan.sources if source.licence]
    data = [f"{n}: {source.path or source.reader} ({source.licence}; {source.credit})" for n, source in sources]
    return (
        Origin(
            package=f"sensorium recipe {recipe.name}",
            file=WEIGHTS,
            sha256=digest,
            licence="Apache-2.0; trained on " + "; ".join(data) if data else "Apache-2.0",
        ),
    )


def model_part(
    text: str, recipe: ModelRecipe, config: ModelConfig, graphs: Mapping[str, GraphDraft], material: Material
) -> PartDraft:
    """The part of a bundle that holds a model; ``text`` is its recipe's TOML."""
    files = {"recipe": ("recipe.toml", text.encode())}
    vocabulary = recipe.vocabulary
    if vocabulary is not None:
        files[VOCABULARY] = ("vocab.txt", vocabulary.encode())
    return PartDraft(
        role="model",
        graphs=graphs,
        files=files,
        config=config.model_dump(mode="json"),
        origins=origins_of(recipe, material),
    )


def report_of(
    outcome: Outcome,
    judged: Sequence[Judged],
    chosen: Judged,
    front: set[str],
    seconds: float,
    variants: Sequence[tuple[str, Judged]] = (),
    proved: Mapping[str, GraphDraft] = {},
) -> Report:
    """The report of one bundle; ``variants`` and ``proved`` are variants and graphs of what it ships, by name."""
    times, recipe = outcome.times, outcome.recipe
    teacher, student = _teacher_figures(outcome), _student_figures(outcome)
    shipped = StageFigures(
        name=chosen.candidate.name,
        subsets=chosen.rows,
        size_bytes=chosen.candidate.size_bytes,
        ms=chosen.latency.ms,
        ms_by_subset={s: one.median_ms for s, one in chosen.latency.subsets.items()},
    )
    told: dict[str, object] = {}
    if chosen.scores is not None and outcome.student is not None:
        told = dict(shipped_figures(chosen.scores, outcome.student))
    record = outcome.material.record
    notes = [*outcome.notes, *(record.notes if record is not None else ())]
    notes += [f"not tried: {name}: {why}" for name, why in outcome.refused.items()]
    if chosen.scores is None:
        notes.append(UNMEASURED)
    return Report.model_validate(
        {
            "name": recipe.name,
            "description": recipe.description,
            "target": outcome.job.target,
            "modalities": tuple(recipe.modalities),
            "teacher": teacher,
            "student": student,
            "shipped": shipped,
            "figures": {
                "size_ratio": chosen.candidate.size_bytes / outcome.teacher_bytes,
                "speedup_vs_teacher_ort_fp32": times["teacher"].ms / chosen.latency.ms,
                "compile_s": seconds,
            },
            **told,
            "graphs": tuple(graph_row(name, draft) for name, draft in proved.items()),
            "candidates": (
                *(_row(one, front, chosen) for one in judged),
                *(_row(one, front, chosen, variant=name) for name, one in variants),
            ),
            "blocks": _blocks(chosen),
            "stages": tuple(outcome.stages),
            "data": _data(outcome),
            "provenance": outcome.origins,
            "tools": {name: str(version) for name, version in tool_versions().items()},
            "machine": {"processor": processor(), "python": platform.python_version()},
            "seeds": dict(seeds(recipe)),
            "recipe": outcome.job.text,
            "notes": tuple(notes),
        }
    )


def graph_row(name: str, draft: GraphDraft) -> GraphRow:
    """How far a graph got."""
    return GraphRow(graph=name, precision=draft.precision, status=status_of(draft.evidence), evidence=draft.evidence)


def record_of(outcome: Outcome, judged: Sequence[Judged], temperature: Mapping[str, float]) -> Record:
    """What was measured here, to travel with the checkpoint."""
    before = outcome.material.record
    subsets = dict(before.subsets) if before is not None else {}
    if outcome.teacher is not None:
        subsets["teacher"] = _rows(outcome.teacher)
    if outcome.student is not None:
        subsets["student"] = _rows(outcome.student)
    return Record(
        recipe=outcome.job.text,
        tools={name: str(version) for name, version in tool_versions().items()},
        data=_told(outcome.material),
        subsets=subsets,
        temperature=dict(temperature),
        notes=before.notes if before is not None else (),
        hard=(dict(before.hard) if before is not None else {})
        | {form: {cell: _row_of(told) for cell, told in cells.items()} for form, cells in outcome.hard.items()},
        forms={
            key: FormRecord(name=one.candidate.name, subsets=_rows(one.scores))
            for key, one in ((one.candidate.key, one) for one in judged)
            if one.scores is not None
        },
    )


def _rows(scores: Scores) -> dict[str, Row]:
    return {name: _row_of(told) for name, told in figures(scores).items()}


def _row_of(told: SubsetFigures) -> Row:
    return Row(accuracy=told.accuracy, low=told.low, high=told.high, n=told.n)


def _teacher_figures(outcome: Outcome) -> StageFigures | None:
    latency = outcome.times["teacher"]
    return _stage(outcome, "teacher", outcome.teacher, latency, outcome.teacher_bytes, "onnxruntime float32")


def _student_figures(outcome: Outcome) -> StageFigures | None:
    latency = outcome.times.get("onnxruntime float32")
    size = latency.size_bytes if latency is not None else None
    return _stage(outcome, "student", outcome.student, latency, size, "onnxruntime float32")


def _stage(
    outcome: Outcome, which: str, scores: Scores | None, latency: FormLatency | None, size: int | None, name: str
) -> StageFigures | None:
    record = outcome.material.record
    if scores is not None:
        rows = {n: SubsetRow.of(told) for n, told in figures(scores).items()}
    elif record is not None and which in record.subsets:
        rows = {n: SubsetRow(**row.model_dump()) for n, row in record.subsets[which].items()}
    else:
        return None
    by_subset = {s: one.median_ms for s, one in latency.subsets.items()} if latency is not None else {}
    hard = {cell: SubsetRow.of(told) for cell, told in outcome.hard.get(which, {}).items()}
    if not hard and record is not None:
        hard = {cell: SubsetRow(**row.model_dump()) for cell, row in record.hard.get(which, {}).items()}
    return StageFigures(
        name=name, subsets=rows, size_bytes=size, ms=latency.ms if latency else None, ms_by_subset=by_subset, hard=hard
    )


def _row(one: Judged, front: set[str], chosen: Judged, variant: str = "") -> CandidateRow:
    whole = max(one.latency.subsets.items(), key=lambda item: item[0].count("+"))[1]
    kept = [f"{graph}: {', '.join(blocks)} in float" for graph, blocks in one.candidate.kept.items()]
    precisions = ", ".join(f"{name} {graph.precision}" for name, graph in one.candidate.graphs.items())
    return CandidateRow(
        name=one.candidate.name,
        backend=one.candidate.backend,
        precision=one.candidate.precision,
        variant=variant,
        subsets=one.rows,
        ms=whole.median_ms,
        p95_ms=whole.p95_ms,
        spread_ms=whole.spread_ms,
        ms_by_subset={s: told.median_ms for s, told in one.latency.subsets.items()},
        size_bytes=one.candidate.size_bytes,
        passed=one.verdict.passed,
        on_front=one.candidate.key in front,
        shipped=one is chosen or (bool(variant) and one.verdict.passed),
        reasons=one.verdict.reasons,
        notes=(
            f"{precisions}; cosine to PyTorch at least {one.parity.cosine:.4f}, "
            f"{one.parity.decisions:.0%} of decisions equal on golden samples",
            *kept,
            *one.verdict.notes,
        ),
    )


def _blocks(chosen: Judged) -> tuple[Block, ...]:
    """Where the time goes, for graphs whose backend tells."""
    rows: list[Block] = []
    for name, graph in chosen.candidate.graphs.items():
        kept = chosen.candidate.kept.get(name, ())
        if graph.backend != "onnxruntime":
            rows.append(
                Block(graph=name, block=name, ms=chosen.latency.graphs[name].median_ms, precision=graph.precision)
            )
            continue
        for told in block_times(graph.model, graph.golden["example"]):
            precision = "float32" if told.block in kept else graph.precision
            reason = "costs the worst subset too much" if told.block in kept else ""
            rows.append(Block.of(name, told, precision=precision, reason=reason))
    return tuple(rows)


def _data(outcome: Outcome) -> tuple[DataRow, ...]:
    told = _told(outcome.material)
    rows = []
    for name, plan in outcome.recipe.modalities.items():
        own = told.get(name, {})
        split = {part: own[part]["samples"] for part in ("train", "test") if part in own}
        rows.append(
            DataRow(
                modality=name,
                source=plan.path or plan.reader,
                licence=_each(source.licence for source in plan.sources),
                credit=_each(source.credit for source in plan.sources),
                read=sum(split.values()),
                dropped=own.get("cleaned", {}),
                augmented=own.get("augmented", {}),
                split=split,
                held_out=tuple(own.get("held out", ())),
            )
        )
    return tuple(rows)


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def _told(material: Material) -> dict[str, Any]:
    """What is known of each modality's data: read here, else as recorded; how it was augmented when it was trained."""
    record, data = material.record, material.data
    told = {name: dict(own) for name, own in (data.told if data is not None else record.data if record else {}).items()}
    path = material.folder / AUGMENTED
    if path.is_file():
        for step, count in json.loads(path.read_text(encoding="utf-8")).items():
            name, _, kind = step.partition(".")
            told.setdefault(name, {}).setdefault("augmented", {})[kind] = count
    elif record is not None:
        for name, own in record.data.items():
            if "augmented" in own:
                told.setdefault(name, {})["augmented"] = own["augmented"]
    return told


def processor() -> str:
    """The name of this machine's processor."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
