"""The report of a model's bundle for a chip: every form that was tried, how far each graph got, what proves it."""

import platform

from sensorium_compile.outcome import origins_of, processor
from sensorium_compile.report import CandidateRow, Report, StageFigures
from sensorium_compile.stages import tool_versions
from sensorium_compile.targets.drive import Shop, TargetForm, TargetOutcome
from sensorium_compile.targets.parts import placed_row
from sensorium_compile.verify.gate import Form


def report_of(shop: Shop, outcome: TargetOutcome) -> Report:
    """Accuracies are of forms that ran here, as the notes say; times are of the chip, or are none."""
    form, student = outcome.ships, shop.bench.student
    shipped = None
    if form is not None and form.scores is not None:
        shipped = StageFigures.of(form.name, form.scores, form.wanted)
        shipped = shipped.model_copy(update={"size_bytes": form.size_bytes, "ms": form.measured_ms})
    return Report(
        name=shop.recipe.name,
        description=shop.recipe.description,
        target=str(outcome.target),
        modalities=tuple(shop.recipe.modalities),
        student=StageFigures.of("PyTorch float32", student) if student is not None else None,
        shipped=shipped,
        graphs=tuple(
            placed_row(name, graph.draft, graph.placed or outcome.predicted[name], graph.placed is None)
            for name, graph in (form.graphs.items() if form is not None else ())
        ),
        candidates=tuple(_row(shop, one, one is form) for one in outcome.forms),
        provenance=origins_of(shop.recipe, shop.material),
        tools={name: str(version) for name, version in tool_versions().items()},
        machine={"processor": processor(), "python": platform.python_version()},
        recipe=shop.job.text,
        notes=tuple(_notes(outcome)),
    )


def _row(shop: Shop, form: TargetForm, ships: bool) -> CandidateRow:
    backend = next(iter(form.graphs.values())).draft.backend
    told = Form(form.name, form.scores or {}, form.measured_ms)
    row = CandidateRow.of(
        told, form.verdict, backend=backend, precision=form.name, reference=form.wanted, size_bytes=form.size_bytes
    )
    return row.model_copy(update={"shipped": ships})


def _notes(outcome: TargetOutcome) -> list[str]:
    notes = [f"{name}: {why}" if name else why for name, why in (outcome.refused or {}).items()]
    for form in outcome.forms:
        notes += outcome.surprises(form)
    notes += dict.fromkeys(f"accuracy by {graph.by}" for form in outcome.forms for graph in form.graphs.values())
    return [*notes, *([outcome.missing] if outcome.missing else [])]
