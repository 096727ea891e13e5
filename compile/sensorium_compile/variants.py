"""Variants of what ships, for a chip that is late or hot: smaller inputs, narrower towers, in the same bundle.

A variant is a part of role ``variant`` with graphs and inputs of its own; its heads are the model's. Smaller inputs
need no training, narrower towers were distilled beside the student. What a variant costs is measured against the
student on its usual inputs, for every subset of senses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sensorium.inputs import ImageInput, InputSpec, SoundInput, prepare_image, prepare_sound
from sensorium.learned.config import ModelConfig
from sensorium.samples import Array
from sensorium_compile import checkpoint
from sensorium_compile.bench import Bench
from sensorium_compile.checkpoint import WEIGHTS
from sensorium_compile.data.examples import Examples
from sensorium_compile.data.load import Data
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration
from sensorium_compile.lower.candidates import Candidate, Lowering
from sensorium_compile.material import Material, calibration_feeds
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import build_model
from sensorium_compile.outcome import Judged
from sensorium_compile.recipe import GatePlan, ModelRecipe
from sensorium_compile.stages import Stages
from sensorium_compile.verify.gate import Verdict
from sensorium_compile.verify.golden import golden_samples
from sensorium_compile.verify.measure import measure

ROLE = "variant"


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """One variant of one form."""

    name: str
    judged: Judged
    config: ModelConfig


class Variants:
    """Makes and judges the recipe's variants of any form of its student."""

    def __init__(self, bench: Bench, stages: Stages) -> None:
        self._bench, self._own = bench, {}
        self.left_out: list[str] = []  # which of what could not be made, and why
        for name in bench.recipe.variants:
            material = variant_material(bench.material, name)
            recipe = material.recipe
            digest = f"{checkpoint.digest(material.folder)} {name} {recipe.variants[name].model_dump_json()}"
            lowering = Lowering(material.exportables(), digest, material.calibration, stages)
            inputs = {modality: plan.input for modality, plan in recipe.modalities.items()}
            config = bench.config.model_copy(update={"modalities": inputs})
            self._own[name] = Bench(recipe, config, material, lowering, bench.halves, bench.student)

    def calibrations(self) -> dict[str, str]:
        """Ranges of the variants that have weights of their own: file -> JSON."""
        trained = {name: own for name, own in self._own.items() if own.recipe.variants[name].steps}
        return {checkpoint.variant_ranges(name): own.material.calibration.to_json() for name, own in trained.items()}

    def of(self, one: Judged) -> list[Variant]:
        """That form's variants: each graph as there, on smaller inputs; timed in turn with nothing else."""
        made = []
        for name, own in self._own.items():
            try:
                made.append(Variant(name, self._judged(own, one, name), own.config))
            except CompileError as err:
                self.left_out.append(f"variant {name} of {one.candidate.name} is left out: {err}")
        return made

    def _judged(self, own: Bench, one: Judged, variant: str) -> Judged:
        narrower = bool(own.recipe.variants[variant].steps)
        kept = {} if narrower else one.candidate.kept  # blocks of another tower
        graphs = {}
        for name, graph in one.candidate.graphs.items():
            changed = narrower or self._changed(own, name)
            made = own.lowering.graph(graph.backend, name, graph.precision, kept.get(name, ())) if changed else graph
            graphs[name] = made
        candidate = Candidate(one.candidate.backend, one.candidate.precision, graphs, kept)
        samples = golden_samples(own.config.modalities)
        times = measure({candidate.name: candidate.open()}, {name: given[:1] for name, given in samples.items()})
        judged = own.judged(candidate, own.parity(candidate, samples), times)
        if judged.latency.ms < one.latency.ms:
            return judged
        reason = f"no faster ({judged.latency.ms:.2f} ms) than what it stands in for ({one.latency.ms:.2f} ms)"
        return replace(judged, verdict=Verdict(False, (*judged.verdict.reasons, reason), judged.verdict.notes))

    def _changed(self, own: Bench, graph: str) -> bool:
        specs = own.config.modalities
        return graph in specs and specs[graph] != self._bench.config.modalities[graph]


def smaller(recipe: ModelRecipe, name: str) -> ModelRecipe:
    """The recipe with that variant's inputs and student, under a gate that asks what the variant does."""
    plan = recipe.variants[name]
    modalities = {
        modality: own.model_copy(update={"input": plan.input_of(modality, own.input)})
        for modality, own in recipe.modalities.items()
    }
    gate = GatePlan(max_drop=plan.max_drop, min_cosine=recipe.gate.min_cosine, min_agreement=0.0)
    student = plan.student_of(recipe.student)
    return recipe.model_copy(update={"modalities": modalities, "student": student, "gate": gate})


def variant_material(material: Material, name: str) -> Material:
    """What that variant is lowered from: weights, data and ranges, of its own where it was trained."""
    recipe = smaller(material.recipe, name)
    trained = bool(recipe.variants[name].steps)
    student = build_model(recipe, recipe.student, None)
    checkpoint.load_weights(student, material.folder / (checkpoint.variant_file(name) if trained else WEIGHTS))
    data = material.data
    if data is not None:
        specs = {modality: plan.input for modality, plan in recipe.modalities.items()}
        train = _shrunk(data.train, specs) if trained else data.train
        data = replace(data, train=train, test=_shrunk(data.test, specs))
    calibration = material.calibration
    if trained:
        calibration = _calibration(recipe, student, material.folder / checkpoint.variant_ranges(name), data)
    return replace(material, recipe=recipe, student=student.eval(), data=data, calibration=calibration)


def _calibration(recipe: ModelRecipe, student: MultimodalModel, recorded: Path, data: Data | None) -> Calibration:
    """Ranges that travel with the checkpoint, which are those of the forms that were on the front; others from data."""
    samples = (lambda: calibration_feeds(recipe, student, data)) if data is not None else None
    return Calibration.from_json(recorded.read_text(encoding="utf-8") if recorded.is_file() else "{}", samples)


def _shrunk(examples: Examples, specs: Mapping[str, InputSpec]) -> Examples:
    pools = {
        name: replace(pool, samples=np.stack([_prepared(sample, specs[name]) for sample in pool.samples]))
        for name, pool in examples.pools.items()
    }
    return replace(examples, pools=pools)


def _prepared(sample: Array, spec: InputSpec) -> Array:
    if isinstance(spec, ImageInput) and spec.frames == 1:
        return prepare_image(sample, spec)
    return prepare_sound(sample, spec) if isinstance(spec, SoundInput) else sample
