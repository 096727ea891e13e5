"""A recipe for a chip: predict, refuse or go on, lower every form, judge it, compare with the prediction, pack.

What a model loses is measured by running each form here, as ``TargetGraph.by`` says: on the chip's emulator where there
is one, else simulated. Neither is a measurement on the chip, and no status says so.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sensorium.bundle import Evidence, Stage
from sensorium.bundle.evidence import lowest, status_of
from sensorium.learned.config import FUSION, PRESENCE, SAMPLE
from sensorium.samples import Array
from sensorium_compile import checkpoint
from sensorium_compile.bench import Bench, config_of
from sensorium_compile.data.examples import subsets
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.candidates import Lowering
from sensorium_compile.material import Material, find_material
from sensorium_compile.pipeline import Job
from sensorium_compile.recipe import ModelRecipe, Progress, prefixed
from sensorium_compile.stages import Stages
from sensorium_compile.targets import Family, Placement, TargetGraph, find_family, reached
from sensorium_compile.targets.graphs import exported
from sensorium_compile.targets.placing import check_worth
from sensorium_compile.targets.source import Source, sources_of
from sensorium_compile.verify.gate import Form, Rules, Scores, Verdict, figures, judge
from sensorium_compile.verify.golden import Parity, check_parity, golden_samples
from sensorium_compile.verify.opened import Memory, OpenedModel
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

WORKERS = min(4, os.cpu_count() or 1)  # emulators at once; each is a process of some 300 MB


@dataclass(frozen=True, slots=True, eq=False)
class TargetForm:
    """Every graph of a model in one form of a chip, judged."""

    name: str  # int8, float16
    graphs: Mapping[str, TargetGraph]
    verdict: Verdict
    scores: Scores | None = None  # of held-out examples: of few, where it is slow or beyond hope; None without data
    wanted: Scores | None = None  # of the student in float on the same

    @property
    def status(self) -> Stage | None:
        """That of the graph that got least far."""
        return lowest([status_of(graph.draft.evidence) for graph in self.graphs.values()])

    @property
    def size_bytes(self) -> int:
        """Of all graphs."""
        return sum(len(graph.draft.model) for graph in self.graphs.values())

    @property
    def measured_ms(self) -> float | None:
        """An answer with every sense, on the chip itself; None where nobody measured it."""
        times = [
            next(
                (one.figures["ms"] for one in graph.draft.evidence if one.stage == "measured" and "ms" in one.figures),
                None,
            )
            for graph in self.graphs.values()
        ]
        return None if None in times else sum(time for time in times if time is not None)

    @property
    def estimated_ms(self) -> float | None:
        """The same as the vendor's tool estimates it."""
        times = [graph.estimated_ms for graph in self.graphs.values()]
        return None if None in times else sum(time for time in times if time is not None)


@dataclass(frozen=True, slots=True, eq=False)
class TargetOutcome:
    """What became of a model on a target."""

    target: Target
    predicted: Mapping[str, Placement]
    forms: Sequence[TargetForm] = ()
    refused: Mapping[str, str] | None = None  # form, or the whole, -> why
    missing: str | None = None  # what a higher status needs
    evidence: Sequence[Evidence] = ()  # where nothing was lowered: that the graphs were exported

    @property
    def status(self) -> Stage | None:
        """Of what ships, else how far the graphs got."""
        if self.ships is not None:
            return self.ships.status
        return lowest([form.status for form in self.forms]) if self.forms else status_of(self.evidence)

    @property
    def ships(self) -> TargetForm | None:
        """The preferred form of those that passed the gate."""
        return next((form for form in self.forms if form.verdict.passed), None)

    def surprises(self, form: TargetForm) -> tuple[str, ...]:
        """Where the tool did not do what was predicted."""
        told = []
        for name, graph in form.graphs.items():
            if graph.placed is None:
                continue
            wanted = {one.operator for one in self.predicted[name].fell_back}
            got = {one.operator for one in graph.placed.fell_back}
            if wanted != got:
                told.append(
                    f"{name}: predicted to fall back: {', '.join(sorted(wanted)) or 'nothing'}; "
                    f"fell back: {', '.join(sorted(got)) or 'nothing'}"
                )
        return tuple(told)


class Shop:
    """One student, made ready once for every target."""

    def __init__(self, job: Job, weights: Weights, stages: Stages, progress: Progress) -> None:
        self.job, self.stages, self.progress = job, stages, progress
        self.recipe: ModelRecipe = job.recipe
        self._known: dict[tuple[tuple[str, str], ...], TargetForm] = {}
        self._memory: Memory = {}
        self.material: Material = find_material(
            self.recipe,
            job.data,
            job.checkpoint,
            retrain=job.retrain,
            weights=weights,
            stages=stages,
            progress=progress,
        )
        digest = checkpoint.digest(self.material.folder)
        self.lowering = Lowering(self.material.exportables(), digest, self.material.calibration, stages)

    @cached_property
    def bench(self) -> Bench:
        """Where forms are compared with PyTorch, on data where there are some."""
        return Bench(self.recipe, config_of(self.recipe, self.material), self.material, self.lowering)

    @cached_property
    def samples(self) -> dict[str, Array]:
        """Golden samples of every sense."""
        return golden_samples(self.bench.config.modalities)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The graphs as float ONNX, with a golden case for every subset of senses."""
        self.progress("exporting", 0, 1)
        cases = self._cases()
        return {name: replace(one, golden=cases[name]) for name, one in sources_of(self.lowering, self.stages).items()}

    def compile_for(self, target: Target, progress: Progress) -> TargetOutcome:
        """Every form of the student for that target; what cannot be is told, and raises nothing."""
        family = find_family(target.family)
        if family is None:
            made = [exported(one, one.model.SerializeToString(), "float32") for one in self.sources.values()]
            return TargetOutcome(target, {}, evidence=made, missing=reached(target)[1])
        try:
            predicted = {name: family.predict(source, target) for name, source in self.sources.items()}
            for name, source in self.sources.items():
                check_worth(source, predicted[name], target)
        except CompileError as err:
            return TargetOutcome(target, {}, refused={"": str(err)}, missing=family.missing(target))
        forms: list[TargetForm] = []
        refused: dict[str, str] = {}
        for form in [form for form in family.FORMS if form in target.precisions]:
            try:
                forms.append(self._formed(family, target, form, progress))
            except CompileError as err:
                refused[form] = str(err)
                continue
            if forms[-1].verdict.passed and not family.ASIDE:
                break  # the others are not asked: some take minutes, and none would ship
        if (mix := self._mixed(forms, progress)) is not None:
            forms.insert(0, mix)
        return TargetOutcome(target, predicted, forms, refused, family.missing(target))

    def drafts(self, outcome: TargetOutcome) -> dict[str, GraphDraft]:
        """What ships; raises CompileError, saying why, where nothing may."""
        chosen = outcome.ships
        family = find_family(outcome.target.family)
        if chosen is None or family is None:
            told = [f"{name}: {why}" if name else why for name, why in (outcome.refused or {}).items()]
            told += [f"{form.name}: {'; '.join(form.verdict.reasons)}" for form in outcome.forms]
            raise CompileError(
                f"{self.recipe.name} is not compiled for {outcome.target}: {'; '.join(told) or outcome.missing}"
            )
        beside = [form for form in outcome.forms if form.verdict.passed and form is not chosen]
        drafts = {name: graph.draft for name, graph in chosen.graphs.items()}
        if not family.ASIDE or not beside:
            return drafts
        spares = {name: graph.draft for name, graph in beside[0].graphs.items()}
        return {
            name: draft
            if draft.precision == spares[name].precision
            else replace(draft, fallback=spares[name], notes=_notes(draft, spares[name]))
            for name, draft in drafts.items()
        }

    def _formed(self, family: Family, target: Target, form: str, progress: Progress) -> TargetForm:
        graphs = {}
        for done, (name, source) in enumerate(self.sources.items()):
            progress(f"{form}: {name} is lowered", done, len(self.sources))
            graphs[name] = family.lower(source, target, form)
        return self._judged(form, graphs, progress)

    def _mixed(self, forms: Sequence[TargetForm], progress: Progress) -> TargetForm | None:
        """Where the preferred form was refused: those of its graphs that alone lose no more than is allowed."""
        exact = next((form for form in forms if form.verdict.passed), None)
        if exact is None or exact is forms[0] or self.material.data is None:
            return None
        chosen = dict(exact.graphs)
        for name, graph in forms[0].graphs.items():
            model = self._opened({**exact.graphs, name: graph})
            told = figures(*self.bench.few_scored(model, prefixed(f"{name} in {forms[0].name}: ", progress)))
            if all(one.drop is None or one.drop.mean <= self.recipe.gate.max_drop for one in told.values()):
                chosen[name] = graph
        if all(chosen[name] is exact.graphs[name] for name in chosen):
            return None
        return self._judged("mixed", chosen, progress)

    def _judged(self, form: str, graphs: Mapping[str, TargetGraph], progress: Progress) -> TargetForm:
        key = tuple((digest_of(graph), graph.by) for graph in graphs.values())
        if key not in self._known:  # several boards take the same graphs
            self._known[key] = self._judge(form, graphs, progress)
        return replace(self._known[key], graphs=graphs)

    def _judge(self, form: str, graphs: Mapping[str, TargetGraph], progress: Progress) -> TargetForm:
        model = self._opened(graphs)
        if self.material.data is None:
            return TargetForm(form, graphs, self._by_parity(check_parity(self.bench.eager, model, self.samples)))
        slow = any(graph.slow for graph in graphs.values())
        telling = prefixed(f"{form}: ", progress)
        scores, wanted = self.bench.few_scored(model, telling) if slow else self.bench.scored(model)
        gate = self.recipe.gate
        rules = Rules(gate.max_drop, min_agreement=gate.min_agreement)
        return TargetForm(form, graphs, judge(Form(form, scores), Form("student", wanted), rules), scores, wanted)

    def _opened(self, graphs: Mapping[str, TargetGraph]) -> OpenedModel:
        """With encoders that answer at once what the same encoder of another form was asked."""
        opened = {name: graph.open() for name, graph in graphs.items()}
        fusion = opened.pop(FUSION)
        size = sum(len(graph.draft.model) for graph in graphs.values())
        model = OpenedModel(opened, fusion, size, WORKERS if all(graph.slow for graph in graphs.values()) else 1)
        return model.remembering({name: digest_of(graph) for name, graph in graphs.items()}, self._memory)

    def _by_parity(self, parity: Parity) -> Verdict:
        """Without data: whether it decides like PyTorch on made-up samples, which does not tell its accuracy."""
        gate = self.recipe.gate
        told = f"cosine to PyTorch {parity.cosine:.3f} ({parity.where}), {parity.decisions:.0%} of decisions equal"
        note = f"{told} on made-up samples; its accuracy was not measured: give --data"
        if parity.finite and parity.cosine >= gate.min_cosine:
            return Verdict(True, (), (note,))
        return Verdict(False, (f"{told} on made-up samples; at least {gate.min_cosine}, or measured: give --data",))

    def _cases(self) -> dict[str, dict[str, dict[str, Array]]]:
        """Golden cases of every graph; the fusion's are one for each subset of senses."""
        one = {name: given[:1] for name, given in self.samples.items()}
        cases = {name: {"example": {SAMPLE: given}} for name, given in one.items()}
        eager = self.bench.eager
        tokens = {name: eager.encode(name, given) for name, given in one.items()}
        cases[FUSION] = {
            subset: {
                **{
                    name: own if there else np.zeros_like(own)
                    for (name, own), there in zip(tokens.items(), mask, strict=True)
                },
                PRESENCE: np.asarray([mask], np.float32),
            }
            for subset, mask in subsets(eager.modalities).items()
        }
        return cases


def digest_of(graph: TargetGraph) -> str:
    """The sha256 of what ships."""
    return hashlib.sha256(graph.draft.model).hexdigest()


def _notes(draft: GraphDraft, spare: GraphDraft) -> tuple[str, ...]:
    return (
        *draft.notes,
        *spare.notes,
        f"{spare.precision} lies beside it; the faster is kept where it is first loaded",
    )
