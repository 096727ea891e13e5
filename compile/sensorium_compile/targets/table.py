"""What became of a recipe on each target, as rows: what ``sensorium compile NAME --target all`` prints."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sensorium.bundle import Bundle, Stage
from sensorium.bundle.evidence import lowest, status_of
from sensorium.errors import SensoriumError
from sensorium_compile.targets import qemu, reached
from sensorium_compile.targets.parts import PartsOutcome
from sensorium_compile.verify.gate import figures, worst
from sensorium_devices.targets import Target

if TYPE_CHECKING:  # PyTorch; ready parts need none
    from sensorium_compile.targets.drive import TargetForm, TargetOutcome


@dataclass(frozen=True, slots=True)
class WorstSubset:
    """The subset of senses that is answered worst."""

    subset: str
    accuracy: float
    low: float  # 95% interval
    high: float
    examples: int  # that have it, and were not learned from
    lost: float | None  # the most points that any subset lost against float, on the same examples
    by: str  # what ran it


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target."""

    target: str
    tool: str
    form: str  # of what ships; empty where nothing does
    status: Stage | None  # of the graph that got least far
    on_accelerator: int | None  # operators, as the tool did it or, where none was run, as predicted
    operators: int | None
    predicted: bool  # whether the two are a prediction
    size_bytes: int | None
    ms: float | None
    ms_is: str  # measured, estimated or nothing
    worst: "WorstSubset | None"  # None where it was not measured
    note: str  # why nothing ships, where predictions failed, what a higher status needs


def row_of(outcome: "TargetOutcome") -> TargetRow:
    """A learned model on a target."""
    form = outcome.ships
    notes = [f"{name}: {why}" if name else why for name, why in (outcome.refused or {}).items()]
    notes += [f"{one.name}: {'; '.join(one.verdict.reasons)}" for one in outcome.forms if not one.verdict.passed]
    if form is None:
        return _row(outcome.target, "", outcome.status, note=_joined(*notes, outcome.missing))
    placed = {name: graph.placed or outcome.predicted[name] for name, graph in form.graphs.items()}
    return TargetRow(
        target=str(outcome.target),
        tool=_tool(outcome.target),
        form=form.name,
        status=outcome.status,
        on_accelerator=sum(one.on_accelerator for one in placed.values()),
        operators=sum(one.operators for one in placed.values()),
        predicted=any(graph.placed is None for graph in form.graphs.values()),
        size_bytes=form.size_bytes,
        ms=form.measured_ms if form.measured_ms is not None else form.estimated_ms,
        ms_is="measured" if form.measured_ms is not None else "estimated" if form.estimated_ms is not None else "",
        worst=_worst(form),
        note=_joined(*outcome.surprises(form), *notes, *form.verdict.notes, outcome.missing),
    )


def parts_row(outcome: PartsOutcome) -> TargetRow:
    """Ready parts on a target."""
    if not outcome.parts:
        told = "; ".join(f"{name}: {why}" for name, why in outcome.stayed.items())
        return _row(outcome.target, "", None, note=f"it has no processor for what its accelerator lacks: {told}")
    graphs = outcome.lowered.values()
    placed = {name: graph.placed or outcome.predicted[name] for name, graph in outcome.lowered.items()}
    beside = [f"{name} stays on the processor: {why}" for name, why in outcome.stayed.items()]
    total = len(outcome.lowered) + len(outcome.stayed)
    return TargetRow(
        target=str(outcome.target),
        tool=_tool(outcome.target),
        form=f"{len(outcome.lowered)} of {total} graphs",
        status=lowest([status_of(graph.draft.evidence) for graph in graphs]) if outcome.lowered else None,
        on_accelerator=sum(one.on_accelerator for one in placed.values()),
        operators=sum(one.operators for one in placed.values()),
        predicted=any(graph.placed is None for graph in graphs),
        size_bytes=sum(len(graph.model) for part in outcome.parts.values() for graph in part.graphs.values()),
        ms=None,
        ms_is="",
        worst=None,
        note=_joined(outcome.missing, *beside),
    )


def failed_row(target: Target, err: SensoriumError) -> TargetRow:
    """A target whose compiling broke off."""
    return _row(target, "", None, str(err))


def bundle_row(bundle: Bundle, target: Target, form: str) -> TargetRow:
    """A bundle for a processor, which executes every operator."""
    graphs = [graph for part in bundle.manifest.parts.values() for graph in part.graphs.values()]
    status, missing = lowest([graph.status for graph in graphs]), reached(target)[1]
    if target.family == qemu.FAMILY and status == "linted":
        left = sorted({graph.backend for graph in graphs if graph.status == status})
        missing = _joined(*dict.fromkeys(qemu.missing(backend) for backend in left))
    return replace(
        _row(target, form, status, missing or ""),
        size_bytes=sum(bundle.manifest.files[graph.file].size for graph in graphs),
    )


def _row(target: Target, form: str, status: Stage | None, note: str) -> TargetRow:
    return TargetRow(str(target), _tool(target), form, status, None, None, False, None, None, "", None, note)


def _worst(form: "TargetForm") -> WorstSubset | None:
    if form.scores is None:
        return None
    told = figures(form.scores, form.wanted)
    subset, one = worst(told)
    lost = max((own.drop.mean for own in told.values() if own.drop is not None), default=None)
    by = ", ".join(dict.fromkeys(graph.by for graph in form.graphs.values()))
    return WorstSubset(subset, one.accuracy, one.low, one.high, one.n, lost, by)


def _tool(target: Target) -> str:
    return f"{target.tool.name} {target.tool.version}"


def _joined(*notes: str | None) -> str:
    return "; ".join(note for note in notes if note)
