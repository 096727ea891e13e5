"""Ready parts for a chip: each graph goes to the accelerator whole, or stays on the processor and says why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sensorium.bundle import status_of
from sensorium.errors import SensoriumError
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.recipe import Progress, Recipe, find_builder
from sensorium_compile.report import GraphRow, Report
from sensorium_compile.targets import Placement, TargetGraph, find_family
from sensorium_compile.targets.graphs import LEAST_COSINE, answers, least_cosine, opener
from sensorium_compile.targets.placing import check_worth
from sensorium_compile.targets.source import source_of
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

PROCESSORS = ("x86_64", "aarch64")  # that run a bundle's Python


@dataclass(frozen=True, slots=True, eq=False)
class PartsOutcome:
    """What became of ready parts on a target: by ``part/graph``."""

    target: Target
    lowered: Mapping[str, TargetGraph]
    stayed: Mapping[str, str]  # on the processor, and why
    predicted: Mapping[str, Placement]
    parts: Mapping[str, PartDraft]
    missing: str | None


def build(recipe: Recipe, weights: Weights, progress: Progress) -> dict[str, PartDraft]:
    """Every part of the recipe, once for all targets."""
    drafts = {}
    for done, name in enumerate(recipe.parts):
        progress(name, done, len(recipe.parts))
        drafts[name] = find_builder(name)(weights)
    return drafts


def compile_parts(drafts: Mapping[str, PartDraft], target: Target, progress: Progress) -> PartsOutcome:
    """The same parts, with the graphs that the target's accelerator takes in its own form.

    Raises CompileError where the target has no processor that could run the others.
    """
    family = find_family(target.family)
    missing = family.missing(target) if family is not None else f"no lowering for {target.family} is here yet"
    lowered: dict[str, TargetGraph] = {}
    stayed: dict[str, str] = {}
    predicted: dict[str, Placement] = {}
    made: dict[str, PartDraft] = {}
    for done, (part, draft) in enumerate(drafts.items()):
        progress(part, done, len(drafts))
        graphs = dict(draft.graphs)
        for name, graph in draft.graphs.items():
            key = f"{part}/{name}"
            try:
                if family is None:
                    raise CompileError(str(missing))
                source = source_of(key, graph)
                predicted[key] = placed = family.predict(source, target)
                check_worth(source, placed, target)
                form = next(form for form in family.FORMS if form in target.precisions and not form.startswith("int"))
                own = family.lower(source, target, form)
                _check(key, graph, own)
            except (SensoriumError, StopIteration) as err:
                stayed[key] = str(err) or f"{target} has no form in floating point"
                continue
            lowered[key], graphs[name] = own, own.draft
        made[part] = replace(draft, graphs=graphs)
    if stayed and target.host.machine not in PROCESSORS:
        made = {}
    return PartsOutcome(target, lowered, stayed, predicted, made, missing)


def parts_report(name: str, outcome: PartsOutcome) -> Report:
    """What ships of the parts, how far each graph got, and why others stay on the processor."""
    return Report(
        name=name,
        target=str(outcome.target),
        graphs=tuple(
            placed_row(key, graph.draft, graph.placed or outcome.predicted[key], graph.placed is None)
            for key, graph in outcome.lowered.items()
        ),
        notes=tuple(f"{key} stays on the processor: {why}" for key, why in outcome.stayed.items()),
    )


def placed_row(name: str, draft: GraphDraft, placed: Placement, predicted: bool) -> GraphRow:
    """How far a graph got, and where its operators run."""
    return GraphRow(
        graph=name,
        precision=draft.precision,
        status=status_of(draft.evidence),
        evidence=draft.evidence,
        operators=placed.operators,
        on_accelerator=placed.on_accelerator,
        predicted=predicted,
        fell_back=tuple(map(str, placed.fell_back)),
        cost=placed.cost,
    )


def _check(key: str, draft: GraphDraft, own: TargetGraph) -> None:
    """Raise CompileError where the lowered graph does not give what the part's own gives on its golden inputs."""
    before, after = opener("graph", draft)(), own.open()
    found, where = least_cosine(answers(before, draft), answers(after, draft))
    if found < LEAST_COSINE:
        raise CompileError(
            f"{key}: cosine {found:.3f} to the part's own {where}; at least {LEAST_COSINE}: it stays as it is"
        )
