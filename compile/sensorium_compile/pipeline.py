"""What was asked of the compiler, and its answer, from the cache where it was asked before without PyTorch."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from sensorium_compile.checkpoint import digest, shipped
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import deliver
from sensorium_compile.recipe import ModelRecipe, Progress, check_target, import_plugins, parse_recipe
from sensorium_compile.stages import Stages, folder_digest, replace_file
from sensorium_compile.targets.qemu import emulator
from sensorium_compile.verify import pareto
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

CHOICES, BUNDLES, CHECKPOINT, LAST = "choices.json", "bundles", "checkpoint", "last"


@dataclass(frozen=True, slots=True)
class Budget:
    """What an answer may take; None is anything."""

    max_ms: float | None = None
    max_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for."""

    text: str  # the recipe's TOML
    where: str  # its name or file, for messages
    target: str
    data: Path | None = None
    checkpoint: Path | None = None  # instead of the one that ships
    retrain: bool = False
    hard: Path | None = None  # recorded noises and rooms: measures the hard protocol too
    backends: tuple[str, ...] = ()  # none: every one that is installed

    @property
    def recipe(self) -> ModelRecipe:
        """The recipe, checked."""
        made = parse_recipe(self.text, self.where)
        if not isinstance(made, ModelRecipe):
            raise CompileError(f"recipe {self.where} is made of ready parts; it has nothing to teach or choose")
        return made

    def given(self) -> dict[str, JsonValue]:
        """All that the result depends on."""
        recipe = self.recipe
        checkpoint = self.checkpoint or (None if self.retrain else shipped(recipe.name, recipe.plugins))
        return {
            "recipe": self.text,
            "target": self.target,
            "data": folder_digest([self.data]) if self.data is not None else "",
            "checkpoint": digest(checkpoint) if checkpoint is not None else "",
            "retrain": self.retrain,
            "hard": folder_digest([self.hard]) if self.hard is not None else "",
            "backends": list(self.backends),
            "emulator": emulator(Target.parse(self.target)),
        }


@dataclass(frozen=True, slots=True)
class Compiled:
    """Where the bundle is, which candidate it is, and whether that was known already."""

    out: Path
    choice: pareto.Choice
    cached: bool


def compile_model(
    job: Job, out: Path, budget: Budget, weights: Weights, stages: Stages, progress: Progress = lambda *_: None
) -> Compiled:
    """Compile into ``out``, a folder or a .zip file.

    Raises CompileError: a recipe that is wrong, data that are missing, a model that cannot be lowered, or a budget that
    no candidate keeps; each says what to do.
    """
    check_target(job.target)
    import_plugins(job.recipe.plugins)
    stages.plugins = job.recipe.plugins
    given = job.given()
    if job.recipe.parts:
        given["pulled"] = [entry.name for entry in weights.zoo if weights.place(entry).is_file()]
    known = stages.find("compile", given)
    if known is None:
        from sensorium_compile.compiler import compile_into  # PyTorch and all else

        known = stages.run("compile", given, lambda folder: compile_into(job, folder, weights, stages, progress))
        cached = False
    else:
        cached = True
    replace_file(stages.root / LAST, os.fsencode(known))
    return _answer(known, out, budget, cached)


def pick(out: Path | None, budget: Budget, stages: Stages) -> Compiled:
    """Another answer of the last run, by another budget; nothing is compiled.

    Without ``out`` the choice is only told. Raises CompileError when nothing was compiled yet.
    """
    last = stages.root / LAST
    if not last.is_file():
        raise CompileError("nothing was compiled here yet; run: sensorium compile NAME")
    return _answer(Path(os.fsdecode(last.read_bytes())), out, budget, True)


def _answer(folder: Path, out: Path | None, budget: Budget, cached: bool) -> Compiled:
    choice = pareto.pick(pareto.load(folder / CHOICES), max_ms=budget.max_ms, max_mb=budget.max_mb)
    bundle = folder / BUNDLES / choice.key
    if not bundle.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        raise CompileError("the last run was damaged and is forgotten now; compile again")
    if out is not None:
        deliver(bundle, out)
    return Compiled(out or bundle, choice, cached)
