"""Where forms of one student are compared: with PyTorch always, on data where there are some."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sensorium.inputs import to_batch
from sensorium.learned.config import ClassesHead, EmbeddingHead, Head, ModelConfig
from sensorium.samples import Array
from sensorium_compile import checkpoint
from sensorium_compile.checkpoint import Row
from sensorium_compile.data.damage import Scenery
from sensorium_compile.data.examples import Examples, subsets
from sensorium_compile.errors import CompileError
from sensorium_compile.lower.candidates import FLOAT, Candidate, Lowering
from sensorium_compile.material import Material
from sensorium_compile.model.build import build_model
from sensorium_compile.model.heads import TEXT_DIMS, TEXT_SCALE, TextHead
from sensorium_compile.outcome import Judged
from sensorium_compile.recipe import ModelRecipe, Progress
from sensorium_compile.verify import temperature
from sensorium_compile.verify.eager import open_eager
from sensorium_compile.verify.evaluate import predict, score
from sensorium_compile.verify.gate import POINTS, Form, Rules, Scores, SubsetFigures, Verdict, figures, judge
from sensorium_compile.verify.golden import Parity, check_parity
from sensorium_compile.verify.hard import hard_table
from sensorium_compile.verify.measure import FormLatency
from sensorium_compile.verify.opened import Memory, OpenedModel

SEARCH_EXAMPLES = 160  # of the training side, for the search over blocks
FEW = 100  # held-out examples that every form answers first
GLANCE = 20  # of those, which a form that takes seconds an answer is asked first
HOPELESS = 20.0  # points lost, at which the rest is not asked


@dataclass
class Bench:
    """Judges forms of one student, whose graphs ``lowering`` makes."""

    recipe: ModelRecipe
    config: ModelConfig
    material: Material
    lowering: Lowering
    halves: Mapping[str, temperature.Halves] = field(default_factory=dict)  # for measuring; given with a reference
    reference: Scores | None = None  # what forms are compared with, where it is not this student in float
    eager: OpenedModel = field(init=False)
    student: Scores | None = field(init=False, default=None)
    teacher: Scores | None = field(init=False, default=None)
    teacher_model: OpenedModel | None = field(init=False, default=None)
    _memory: Memory = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.eager = open_eager(self.material.student, self.config.modalities)
        if self.reference is not None:
            self.student = self.reference
        elif self.material.data is not None:
            plain = self._plain(self.eager, self.material.data.test)
            self.halves = temperature.halves(plain)
            self.student = temperature.divided(plain, self.halves)
            if not self.config.temperature:
                self.config = self.config.model_copy(update={"temperature": temperature.shipped(plain)})
            if self.material.teacher is not None:
                model = build_model(self.recipe, self.recipe.teacher, None)
                checkpoint.load_weights(model, self.material.teacher)
                self.teacher_model = open_eager(model, self.config.modalities)
                self.teacher = self._plain(self.teacher_model, self.material.data.test)

    def parity(self, candidate: Candidate, samples: Mapping[str, Array]) -> Parity:
        """Agreement with PyTorch on the golden samples."""
        return check_parity(self.eager, candidate.open(), samples)

    def judged(self, candidate: Candidate, parity: Parity, times: Mapping[str, FormLatency]) -> Judged:
        """The gate's verdict on one candidate."""
        latency = times[candidate.name]
        plain = times.get(f"{candidate.backend} {FLOAT}")
        fallbacks = tuple(note for graph in candidate.graphs.values() for note in graph.notes)
        float_ms = plain.ms if plain is not None and candidate.precision != FLOAT else None
        gate, recorded = self.recipe.gate, _recorded(self.material, candidate)
        scores, notes = None, fallbacks
        reasons = [] if parity.finite else ["its output is not finite"]
        if self.material.data is not None and self.student is not None:
            rules = Rules(gate.max_drop, min_agreement=gate.min_agreement)
            scores, wanted = self.scored(self._opened(candidate))
            form = Form(candidate.name, scores, latency.ms, float_ms, fallbacks)
            verdict = judge(form, Form("student", wanted), rules)
            reasons += verdict.reasons
            notes = verdict.notes
        else:
            reasons += _slower(latency, float_ms)
            reasons += _recorded_drops(self.material, recorded, gate.max_drop)
        # Made-up samples show whether a graph was lowered rightly. Where there are figures on real ones, these decide.
        known = scores is not None or recorded is not None
        if parity.finite and parity.cosine < gate.min_cosine and (candidate.precision == FLOAT or not known):
            reasons.append(f"cosine to PyTorch {parity.cosine:.3f} ({parity.where}); at least {gate.min_cosine}")
        return Judged(candidate, Verdict(not reasons, tuple(reasons), notes), scores, recorded, latency, parity)

    def scored(self, form: OpenedModel) -> tuple[Scores, Scores]:
        """What a form answers to held-out examples, and the student in float: to few, where it is beyond hope on them.

        Needs data.
        """
        assert self.material.data is not None
        assert self.student is not None
        scores, wanted = self._scores(form, self.few), self.few_wanted
        if _hopeless(scores, wanted):
            return scores, wanted
        return self._scores(form, self.material.data.test), self.student

    def few_scored(self, form: OpenedModel, progress: Progress = lambda *_: None) -> tuple[Scores, Scores]:
        """The same to the few alone, for a form that takes seconds an answer; to a glance of them, if beyond hope."""
        glance = self._some(GLANCE)
        scores, wanted = self._scores(form, glance, progress), self._scores(self.eager, glance)
        if _hopeless(scores, wanted):
            return scores, wanted
        return self._scores(form, self.few, progress), self.few_wanted

    def some_scores(self, form: OpenedModel, count: int) -> Scores:
        """What a form answers to so many of the few."""
        return self._scores(form, self._some(count))

    def _some(self, count: int) -> Examples:
        """So many of the few, spread over them."""
        return self.few.take(np.arange(0, len(self.few), FEW // count))

    @cached_property
    def few(self) -> Examples:
        """Enough of the held-out examples to see that a form is beyond hope."""
        assert self.material.data is not None
        test = self.material.data.test
        return test.take(np.unique(np.linspace(0, len(test) - 1, FEW).round().astype(np.int64)))

    @cached_property
    def few_wanted(self) -> Scores:
        """What the student in float answers to those."""
        return self._scores(self.eager, self.few)

    def loss(self, candidate: Candidate) -> float:
        """Share of decisions that differ from PyTorch's in the worst subset, on samples of the training side."""
        given, wanted = self._decisions(self._opened(candidate)), self._wanted
        return max(float((wanted[subset] != given[subset]).mean()) for subset in wanted)

    @cached_property
    def _wanted(self) -> dict[str, Array]:
        return self._decisions(self.eager)

    def _opened(self, candidate: Candidate) -> OpenedModel:
        """With encoders that answer at once what the same encoder of another form was asked."""
        names = {name: hashlib.sha256(graph.model).hexdigest() for name, graph in candidate.graphs.items()}
        return candidate.open().remembering(names, self._memory)

    def _decisions(self, form: OpenedModel) -> dict[str, Array]:
        """Decisions by subset."""
        tokens = {modality: form.encode(modality, samples) for modality, samples in self.search_samples.items()}
        masks = subsets(form.modalities)
        outputs = {name: next(iter(form.fuse(tokens, mask).values())) for name, mask in masks.items()}
        if self.space is not None:
            outputs = {name: places @ self.space.T for name, places in outputs.items()}
        return {name: out.argmax(-1) for name, out in outputs.items()}

    @cached_property
    def search_samples(self) -> dict[str, Array]:
        """Of the training side, whole examples only."""
        assert self.material.data is not None
        train = self.material.data.train
        rows = np.random.default_rng(0).permutation(len(train))[:SEARCH_EXAMPLES]
        stored = train.batch(rows)
        return {name: to_batch(own, self.config.modalities[name]) for name, own in stored.items()}

    def hard_tables(self, scenery: Scenery, progress: Progress) -> dict[str, dict[str, SubsetFigures]]:
        """The hard protocol's table of teacher (where it is here) and student, on what neither saw."""
        if self.material.data is None:
            raise CompileError("the hard protocol damages samples that nobody was taught with: give --data as well")
        forms = {"student": self.eager}
        if self.teacher_model is not None:
            forms["teacher"] = self.teacher_model
        test = self.material.data.test
        return {
            name: hard_table(form, test, self.config, scenery, space=self.space, progress=progress)
            for name, form in forms.items()
        }

    @property
    def space(self) -> Array | None:
        """The vectors of the labels' texts, where the head gives places in a text space."""
        head = self.material.student.heads[self.recipe.head.name]
        return head.space.numpy() if isinstance(head, TextHead) else None

    def _scores(self, form: OpenedModel, examples: Examples, progress: Progress = lambda *_: None) -> Scores:
        return temperature.divided(self._plain(form, examples, progress), self.halves)

    def _plain(self, form: OpenedModel, examples: Examples, progress: Progress = lambda *_: None) -> Scores:
        config = self.config.model_copy(update={"temperature": {}})
        answers = predict(form, examples, config.modalities, progress=progress)
        return score(answers, examples, config, space=self.space)


def _head(recipe: ModelRecipe) -> Head:
    if recipe.head.kind == "classes":
        return ClassesHead(labels=recipe.head.labels)
    return EmbeddingHead(dims=TEXT_DIMS, scale=TEXT_SCALE, centred=True, labels=recipe.head.labels)


def config_of(recipe: ModelRecipe, material: Material) -> ModelConfig:
    """What the runtime is told of the model."""
    known = dict(material.record.temperature) if material.record is not None else {}
    return ModelConfig(
        modalities={name: plan.input for name, plan in recipe.modalities.items()},
        heads={recipe.head.name: _head(recipe)},
        temperature=known,
        answers=recipe.head.answers,
    )


def _hopeless(scores: Scores, wanted: Scores) -> bool:
    """Whether so much is lost in some subset that more examples would not change the verdict."""
    drops = (one.drop for one in figures(scores, wanted).values() if one.drop is not None)
    return any(drop.mean > HOPELESS for drop in drops)


def _recorded(material: Material, candidate: Candidate) -> Mapping[str, Row] | None:
    """The figures that travel with the checkpoint, where they are of exactly these graphs."""
    if material.record is None:
        return None
    form = material.record.forms.get(candidate.key)
    return form.subsets if form is not None else None


def _slower(latency: FormLatency, float_ms: float | None) -> list[str]:
    if float_ms is None or latency.ms <= float_ms * (1 + Rules().slower_share):
        return []
    return [f"slower ({latency.ms:.2f} ms) than its float form ({float_ms:.2f} ms)"]


def _recorded_drops(material: Material, recorded: Mapping[str, Row] | None, allowed: float) -> list[str]:
    """Subsets in which these graphs lost too much when they were measured."""
    if recorded is None or material.record is None:
        return []
    student = material.record.subsets.get("student", {})
    drops = {n: POINTS * (student[n].accuracy - row.accuracy) for n, row in recorded.items() if n in student}
    return [
        f"{name} fell by {drop:.1f} points when it was measured; allowed: {allowed:g}"
        for name, drop in drops.items()
        if drop > allowed
    ]
