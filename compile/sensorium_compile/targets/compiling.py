"""One recipe for several targets: every bundle that can be made, and a row of the table for each target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue, TypeAdapter

from sensorium.bundle import Bundle
from sensorium.errors import SensoriumError
from sensorium_compile.draft import PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import deliver, pack
from sensorium_compile.pipeline import Budget, Job, compile_model
from sensorium_compile.recipe import ModelRecipe, Progress, Recipe, parse_recipe, prefixed
from sensorium_compile.report import JSON_NAME, Report, parse_report, write_report
from sensorium_compile.stages import Stages, replace_file
from sensorium_compile.targets import PROCESSORS, find_family, reached
from sensorium_compile.targets.parts import build, compile_parts, parts_report
from sensorium_compile.targets.processor import proved
from sensorium_compile.targets.table import TargetRow, WorstSubset, bundle_row, failed_row, parts_row, row_of
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

if TYPE_CHECKING:  # PyTorch; ready parts need none
    from sensorium_compile.targets.drive import Shop

BUNDLE, ROW = "bundle", "row.json"  # in a stage's folder
_ROW = TypeAdapter(TargetRow)


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A target's row, and the bundle, whose parts are none where nothing may ship."""

    row: TargetRow
    parts: dict[str, PartDraft]
    report: Report


@dataclass
class Compiling:
    """A recipe whose model or parts are made ready once."""

    job: Job
    weights: Weights
    stages: Stages
    progress: Progress

    def each(self, targets: Sequence[Target], folder: Path) -> Iterator[TargetRow]:
        """Compile for every target, into ``folder/TARGET``; what cannot be is a row that says why."""
        for place, target in enumerate(targets, 1):
            try:
                yield self.one(target, folder / str(target), f"{target} ({place} of {len(targets)}): ")
            except SensoriumError as err:
                yield failed_row(target, err)

    def one(self, target: Target, out: Path, told: str = "") -> TargetRow:
        """Compile for one target, or take it from the cache, where the same was asked with the same tools.

        Where nothing may ship, nothing is written, and the row says why. ``told`` is put before what progress says.
        """
        if out.suffix == ".zip":
            raise CompileError(f"give a folder as --out for {target}, not {out.name}")
        if isinstance(self._recipe, ModelRecipe):
            self.stages.plugins = self._recipe.plugins

        def make(folder: Path) -> None:
            row = self._made(target, folder / BUNDLE, prefixed(told, self.progress))
            replace_file(folder / ROW, _ROW.dump_json(row))

        done = self.stages.run("target", self._given(target), make)
        if (done / BUNDLE).is_dir():
            deliver(done / BUNDLE, out)
        return _ROW.validate_json((done / ROW).read_bytes())

    def _given(self, target: Target) -> dict[str, JsonValue]:
        """All that a row and its bundle depend on."""
        pulled: list[JsonValue] = [one.name for one in self.weights.zoo if self.weights.place(one).is_file()]
        own = {"recipe": self.job.text} if isinstance(self._recipe, Recipe) else self._job_of(target).given()
        return {
            **own,
            "target": str(target),
            "profile": target.model_dump(mode="json"),
            "operators": None if target.operator_set is None else target.operator_set.model_dump(mode="json"),
            "pulled": pulled,
            "reached": list(reached(target)),
        }

    def _made(self, target: Target, out: Path, progress: Progress) -> TargetRow:
        recipe = self._recipe
        if target.family in PROCESSORS and find_family(target.family) is None:
            return self._by_backends(recipe, target, out, progress)
        if isinstance(recipe, Recipe):
            made = self._parts_for(target, progress)
        else:
            made = self._model_for(recipe, target, progress)
        if made.parts:
            pack(recipe.name, str(target), made.parts, out, target.host)
            write_report(made.report, out)
        return made.row

    def _parts_for(self, target: Target, progress: Progress) -> "_Made":
        outcome = compile_parts(self._parts, target, progress)
        report = parts_report(self.job.where, outcome)
        return _Made(parts_row(outcome), dict(outcome.parts) if outcome.lowered else {}, report)

    def _model_for(self, recipe: ModelRecipe, target: Target, progress: Progress) -> "_Made":
        from sensorium_compile.compiler import PART, ready_parts
        from sensorium_compile.outcome import model_part
        from sensorium_compile.targets.reporting import report_of

        outcome = self._shop.compile_for(target, progress)
        report = report_of(self._shop, outcome)
        row = row_of(outcome)
        if outcome.ships is None:
            return _Made(row, {}, report)
        graphs = self._shop.drafts(outcome)
        model = model_part(self.job.text, recipe, self._shop.bench.config, graphs, self._shop.material)
        ready, _ = ready_parts(recipe, self.weights)
        return _Made(row, {PART: model, **ready}, report)

    def _by_backends(self, recipe: ModelRecipe | Recipe, target: Target, out: Path, progress: Progress) -> TargetRow:
        """A processor: by the search over every backend and precision, which times them on this machine."""
        if isinstance(recipe, Recipe):
            pack(recipe.name, str(target), proved(self._parts, target), out)
            with Bundle(out, target=str(target)) as bundle:
                return bundle_row(bundle, target, form="as they are")
        made = compile_model(self._job_of(target), out, Budget(), self.weights, self.stages, progress)
        report = parse_report((out / JSON_NAME).read_bytes(), str(out))
        with Bundle(out, target=str(target)) as bundle:
            row = bundle_row(bundle, target, form=made.choice.name)
        if target.is_here:
            row = replace(row, ms=made.choice.ms, ms_is="measured")
        if report.shipped is not None and report.shipped.subsets:
            subset, told = report.shipped.worst
            by = "measured here" if self.job.data is not None else "recorded with the checkpoint"
            drops = [one.drop_points for one in report.shipped.subsets.values() if one.drop_points is not None]
            lost = max(drops, default=None)
            row = replace(row, worst=WorstSubset(subset, told.accuracy, told.low, told.high, told.n, lost, by))
        return row

    def _job_of(self, target: Target) -> Job:
        """The job for that target alone, which is asked for all of them."""
        return replace(self.job, target=str(target))

    @cached_property
    def _recipe(self) -> ModelRecipe | Recipe:
        return parse_recipe(self.job.text, self.job.where)

    @cached_property
    def _shop(self) -> "Shop":
        from sensorium_compile.targets.drive import Shop

        return Shop(self.job, self.weights, self.stages, self.progress)

    @cached_property
    def _parts(self) -> dict[str, PartDraft]:
        assert isinstance(self._recipe, Recipe)
        return build(self._recipe, self.weights, self.progress)
