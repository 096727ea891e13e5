"""The work of a compile run: lower to every backend, verify, measure, judge, choose, pack.

A gate needs data that neither teacher nor student saw. Without them the figures that travel with the checkpoint hold
for exactly those graphs whose bytes are the recorded ones; of others only their agreement with PyTorch is known, and
that is what the report then says.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from sensorium.ladder import KEY as LADDER_KEY
from sensorium.ladder import ROLE as LADDER_ROLE
from sensorium.samples import Array
from sensorium_compile import checkpoint
from sensorium_compile.bench import Bench, config_of
from sensorium_compile.data.damage import load_scenery
from sensorium_compile.draft import PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import backends
from sensorium_compile.lower.apart import Order, lower_apart
from sensorium_compile.lower.candidates import FLOAT, Candidate, Lowering, fastest_mix, repaired
from sensorium_compile.material import Material, exportables, find_material, rounded_material
from sensorium_compile.model.build import build_model
from sensorium_compile.outcome import Judged, Outcome, model_part, record_of, report_of
from sensorium_compile.pack import pack
from sensorium_compile.pipeline import BUNDLES, CHECKPOINT, CHOICES, Job
from sensorium_compile.recipe import ModelRecipe, Progress, find_builder
from sensorium_compile.report import StageRow, write_report
from sensorium_compile.stages import Stages
from sensorium_compile.targets import qemu
from sensorium_compile.targets.processor import agreement, proved
from sensorium_compile.variants import ROLE, Variant, Variants
from sensorium_compile.verify import pareto
from sensorium_compile.verify.golden import golden_samples
from sensorium_compile.verify.measure import ROUNDS, FormLatency, measure
from sensorium_compile.zoo import Weights
from sensorium_compile.zoo.errors import PullError
from sensorium_devices.targets import Target

PART = "model"
ALONE = "executorch"  # asked for alone, it executes the ready parts too: the native runner has nothing else
JUDGES = 2
GLANCES = 8  # rounds of timing by which precisions are mixed; the forms are timed again after that
REPAIRS = 4  # blocks that it may keep in float


@dataclass(slots=True)
class Diary:
    """What was done, for how long."""

    stages: Stages
    progress: Progress
    rows: list[StageRow] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str, detail: str = "") -> Iterator[None]:
        """Time what happens inside."""
        began, ran = time.monotonic(), len(self.stages.ran)
        self.progress(name, 0, 1)
        yield
        cached = name in ("teach and distil", "lower") and len(self.stages.ran) == ran
        self.rows.append(StageRow(name=name, seconds=time.monotonic() - began, cached=cached, detail=detail))


def compile_into(job: Job, folder: Path, weights: Weights, stages: Stages, progress: Progress) -> None:
    """Fill ``folder`` with the choices, and a bundle with its report for each that is on the front."""
    began = time.monotonic()
    diary = Diary(stages, progress)
    recipe = job.recipe
    with diary.stage("teach and distil"):
        material = find_material(
            recipe,
            job.data,
            job.checkpoint,
            retrain=job.retrain,
            weights=weights,
            stages=stages,
            progress=progress,
        )
    material, tried = _gated_forms(job, material, diary)
    choices = tuple(_choice(one) for one in tried.judged)
    front = {choice.key for choice in pareto.front(choices)}
    if not front:
        pareto.pick(choices)  # raises, and says why each was refused
    best = [one for one in tried.judged if one.candidate.key in front]
    with diary.stage("variants", "the forms on the front, smaller") if recipe.variants else nullcontext():
        maker = Variants(tried.bench, diary.stages)
        variants = {one.candidate.key: maker.of(one) for one in best}
    ready, left_out = ready_parts(recipe, weights, ALONE if job.backends == (ALONE,) else None)
    target = Target.parse(job.target)
    with diary.stage("emulate", str(target)) if target.family == qemu.FAMILY else nullcontext():
        ready = proved(ready, target)
        told = [agreement(tried.bench, one.candidate, target) for one in best]
    notes = [*maker.left_out, *left_out, *(note for note in told if note is not None)]
    outcome = _outcome(job, material, tried, notes, diary)
    for one in best:
        bundle, own = folder / BUNDLES / one.candidate.key, variants[one.candidate.key]
        shipped = one.candidate if recipe.fallback == "none" else with_fallback(one, tried.judged)
        parts = proved(parts_of(outcome, shipped, own), target)
        pack(recipe.name, job.target, {**parts, **ready}, bundle)
        rows = [(variant.name, variant.judged) for variant in own]
        took = time.monotonic() - began
        write_report(report_of(outcome, tried.judged, one, front, took, rows, parts[PART].graphs), bundle)
    pareto.save(folder / CHOICES, choices)
    if material.data is not None:
        smaller = [variant.judged for own in variants.values() for variant in own]
        record = record_of(outcome, [*tried.judged, *smaller], tried.bench.config.temperature)
        calibrations = {checkpoint.CALIBRATION: material.calibration.to_json(), **maker.calibrations()}
        checkpoint.save_checkpoint(folder / CHECKPOINT, material.folder, record, calibrations)


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """Every form of one student, judged."""

    bench: "Bench"
    judged: list[Judged]
    refused: Mapping[str, str]  # what could not be lowered, and why
    times: Mapping[str, FormLatency]  # the teacher's too
    teacher_bytes: int

    @property
    def quantized(self) -> bool:
        """Whether a form with some of its graphs in 8 bits passed the gate."""
        return any(
            one.verdict.passed and any(graph.precision.startswith("int8") for graph in one.candidate.graphs.values())
            for one in self.judged
        )


def _gated_forms(job: Job, material: Material, diary: Diary) -> tuple[Material, _Tried]:
    """Every form; where the recipe has it and none in 8 bits passed, those of a student taught with rounding too."""
    tried = _try_forms(job, material, diary)
    needed = material.recipe.qat.steps and material.recipe.qat.when == "needed" and not tried.quantized
    if not needed or material.data is None or material.teacher is None:
        return material, tried
    with diary.stage("distil in 8 bits", "no quantized form passed the gate"):
        material = rounded_material(material, diary.stages, diary.progress)
    return material, _try_forms(job, material, diary)


def _outcome(job: Job, material: Material, tried: _Tried, notes: Sequence[str], diary: Diary) -> Outcome:
    """All that is told of the run."""
    bench, hard = tried.bench, {}
    if job.hard is not None:
        with diary.stage("hard protocol"):
            hard = bench.hard_tables(load_scenery(job.hard), diary.progress)
    return Outcome(
        job=job,
        recipe=material.recipe,
        config=bench.config,
        material=material,
        teacher=bench.teacher,
        student=bench.student,
        refused=tried.refused,
        notes=notes,
        stages=diary.rows,
        times=tried.times,
        teacher_bytes=tried.teacher_bytes,
        hard=hard,
    )


def _try_forms(job: Job, material: Material, diary: Diary) -> _Tried:
    """Lower, measure, verify, judge."""
    recipe, stages, progress = job.recipe, diary.stages, diary.progress
    config = config_of(recipe, material)
    lowering = Lowering(material.exportables(), checkpoint.digest(material.folder), material.calibration, stages)
    with diary.stage("lower"):
        chosen = job.backends or backends()
        if len(chosen) > 1:
            order = Order(job.text, job.where, material.folder, lowering.digest, material.calibration, stages.root)
            lower_apart(order, chosen, progress)
        lowered = lowering.all(job.backends, progress)
        teacher = _teacher(recipe, material, stages)
    candidates = {c.name: c for c in lowered.candidates}
    samples = golden_samples(config.modalities)
    with diary.stage("measure", "every form in turn, one thread"):
        candidates |= _mixes(candidates, _measured(candidates, samples, progress, GLANCES))
        times = _measured({"teacher": teacher, **candidates}, samples, progress)
    with diary.stage("answer", "held-out examples, by teacher and student in PyTorch"):
        bench = Bench(recipe, config, material, lowering)
    with diary.stage("verify", "against PyTorch on golden samples, every subset of senses"):
        parities = {name: bench.parity(candidate, samples) for name, candidate in candidates.items()}
    # Backends let go of the interpreter while they compute.
    with diary.stage("gate", "accuracy for every subset of senses"), ThreadPoolExecutor(JUDGES) as pool:
        judged = list(pool.map(lambda c: bench.judged(c, parities[c.name], times), candidates.values()))
        lossy = _lossy(bench, judged)
    if lossy:
        with diary.stage("search", "blocks in float, where a form that was refused is faster than those that passed"):
            found = {one.name: one for one in _searched(bench, lossy)}
            times |= _measured(found, samples, progress)
            judged += [bench.judged(one, bench.parity(one, samples), times) for one in found.values()]
    return _Tried(bench, judged, lowered.refused, times, teacher.size_bytes)


def ready_parts(
    recipe: ModelRecipe, weights: Weights, only: str | None = None
) -> tuple[dict[str, PartDraft], list[str]]:
    """The recipe's ready parts, for the backend ``only`` where one is given; which of them are left out and why."""
    made: dict[str, PartDraft] = {}
    left_out = []
    for name in recipe.parts:
        try:
            made[name] = find_builder(name, only)(weights)
        except PullError as err:
            left_out.append(f"part {name} is left out: {err}, and compile again")
    return made, left_out


def with_fallback(one: Judged, judged: Sequence[Judged]) -> Candidate:
    """The form with the smallest one of another backend that passed the gate, graph by graph, where there is one."""
    backend = one.candidate.backend
    others = [other.candidate for other in judged if other.verdict.passed and other.candidate.backend != backend]
    if not others:
        return one.candidate
    spare = min(others, key=lambda candidate: candidate.size_bytes)
    graphs = {
        name: replace(
            graph,
            fallback=spare.graphs[name],
            notes=(*graph.notes, f"falls back to {spare.name}, {len(spare.graphs[name].model) / 1e6:.2f} MB more"),
        )
        for name, graph in one.candidate.graphs.items()
    }
    return replace(one.candidate, graphs=graphs)


def parts_of(outcome: Outcome, candidate: Candidate, variants: Sequence[Variant]) -> dict[str, PartDraft]:
    """The model, those of its variants that may ship, and the recipe's ladder."""
    parts = {PART: part_of(outcome, candidate)}
    if outcome.recipe.rung:
        parts[LADDER_ROLE] = PartDraft(role=LADDER_ROLE, graphs={}, config={LADDER_KEY: [*outcome.recipe.rung]})
    for one in variants:
        if one.judged.verdict.passed:
            part = part_of(outcome, one.judged.candidate)
            parts[f"{PART}-{one.name}"] = replace(part, role=ROLE, config=one.config.model_dump(mode="json"))
    return parts


def part_of(outcome: Outcome, candidate: Candidate) -> PartDraft:
    """The part of the bundle that holds the model. Nothing in it was measured: the same graphs give the same bytes."""
    return model_part(outcome.job.text, outcome.recipe, outcome.config, candidate.graphs, outcome.material)


def _teacher(recipe: ModelRecipe, material: Material, stages: Stages) -> Candidate:
    """The teacher in ONNX Runtime float32: the measure of size and speed, which its weights do not change."""
    model = build_model(recipe, recipe.teacher, None)
    if material.teacher is not None:
        checkpoint.load_weights(model, material.teacher)
    digest = f"teacher {material.teacher} {recipe.teacher.model_dump_json()}"
    return Lowering(exportables(model, recipe), digest, material.calibration, stages).whole("onnxruntime", FLOAT)


def _measured(
    forms: Mapping[str, Candidate], samples: Mapping[str, Array], progress: Progress, rounds: int = ROUNDS
) -> dict[str, FormLatency]:
    one = {name: given[:1] for name, given in samples.items()}
    opened = {name: form.open() for name, form in forms.items()}
    return measure(opened, one, rounds=rounds, progress=lambda done, total: progress("measuring", done, total))


def _mixes(candidates: Mapping[str, Candidate], times: Mapping[str, FormLatency]) -> dict[str, Candidate]:
    """The fastest precision for each graph, backend by backend, where that is not one precision for all."""
    made = {}
    for backend in dict.fromkeys(c.backend for c in candidates.values()):
        own = {name: c for name, c in candidates.items() if c.backend == backend}
        ms = {name: {g: told.median_ms for g, told in times[name].graphs.items()} for name in own}
        candidate = fastest_mix(backend, own, ms)
        if candidate.name not in candidates:
            made[candidate.name] = candidate
    return made


def _lossy(bench: Bench, judged: Sequence[Judged]) -> list[Candidate]:
    """Forms that lost too much, and would be the fastest had they not."""
    if bench.material.data is None:
        return []
    fastest = min((one.latency.ms for one in judged if one.verdict.passed), default=math.inf)
    refused = [one.candidate for one in judged if not one.verdict.passed and one.latency.ms < fastest]
    return [
        candidate
        for candidate in refused
        if candidate.backend == "onnxruntime"
        and candidate.precision in ("int8-static", "mixed")
        and bench.loss(candidate) > _allowed(bench)
    ]


def _allowed(bench: Bench) -> float:
    """Share of decisions that may be others than eager's."""
    return 1 - bench.recipe.gate.min_agreement


def _searched(bench: Bench, lossy: Sequence[Candidate]) -> Iterator[Candidate]:
    """These forms with the blocks that cost most kept in float."""
    for candidate in lossy:
        try:
            better = repaired(bench.lowering, candidate, bench.loss, _allowed(bench), REPAIRS)
        except CompileError:
            continue  # it stays as it is, and the gate says why it is refused
        yield Candidate(better.backend, f"{better.precision} searched", better.graphs, better.kept)


def _choice(one: Judged) -> pareto.Choice:
    accuracy, subset = one.worst
    return pareto.Choice(
        name=one.candidate.name,
        backend=one.candidate.backend,
        precision=one.candidate.precision,
        accuracy=accuracy,
        subset=subset,
        ms=one.latency.ms,
        size_bytes=one.candidate.size_bytes,
        passed=one.verdict.passed,
        reasons=one.verdict.reasons,
        key=one.candidate.key,
    )
