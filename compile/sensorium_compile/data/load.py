"""From a recipe and a data folder to what a model is taught with and what it is measured on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.inputs import InputSpec, SoundInput
from sensorium.samples import Array
from sensorium_compile.data.clean import clean, leaks
from sensorium_compile.data.examples import NONE, Examples, Pool
from sensorium_compile.data.pairs import pair_by_group, pair_by_label
from sensorium_compile.data.readers import Options, find_reader
from sensorium_compile.data.split import split_fractions, split_named, split_pool
from sensorium_compile.data.told import Counts, Progress, Told, silent
from sensorium_compile.errors import CompileError
from sensorium_compile.recipe import ModalityPlan, ModelRecipe, ReaderPlan

TRAIN, TEST = "train", "test"
NOISE_S = 3.0  # of each recorded noise: its loudest stretch


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Examples of groups (persons, speakers, sessions) that are on one side only, and what was told of them."""

    train: Examples
    test: Examples
    told: Mapping[str, Any]  # modality -> counts, for the report
    noises: Mapping[str, Array] = field(default_factory=dict)  # modality -> (clips, samples), to train with


def load_data(recipe: ModelRecipe, folder: Path, progress: Progress = silent, *, extra: bool = True) -> Data:
    """Read, clean, split and pair; ``extra`` adds what is only trained on.

    Raises CompileError where a modality's data are missing or fit no label.
    """
    counts = {name: Counts() for name in recipe.modalities}
    pools = {n: _read(recipe, plan, plan, folder, progress, counts[n]) for n, plan in recipe.modalities.items()}
    parts = _split(recipe, pools)
    for name, plan in recipe.modalities.items():
        for source in plan.extra if extra else ():
            more = _read(recipe, plan, source, folder, progress, counts[name])
            parts[name][TRAIN] = joined(parts[name][TRAIN], more)
        if recipe.pairing == "label":  # a question is asked of many pictures, and pictures of shapes are alike
            known = leaks(parts[name][TRAIN], parts[name][TEST])
            parts[name][TEST] = _without(parts[name][TEST], known)
            counts[name].merge(known)
    sides = [{name: own[part] for name, own in parts.items()} for part in (TRAIN, TEST)]
    train, test = (examples_of(recipe, side, recipe.split.seed) for side in sides)
    noises = _noises(recipe, folder, progress) if extra else {}
    told = {name: _tell(own, counts[name]) for name, own in parts.items()}
    for name, clips in noises.items():
        told[name]["noises"] = len(clips)
    return Data(train, test, told, noises)


def load_all(recipe: ModelRecipe, folder: Path, progress: Progress = silent) -> tuple[Examples, dict[str, Any]]:
    """All of a folder as examples to measure with, whatever the recipe's split; a modality that is missing is left out.

    Raises CompileError when nothing is there.
    """
    pools: dict[str, Pool] = {}
    told: dict[str, Any] = {}
    for name, plan in recipe.modalities.items():
        counts = Counts()
        try:
            pools[name] = _read(recipe, plan, plan, folder, progress, counts)
        except CompileError as err:
            told[name] = {"missing": str(err)}
            continue
        told[name] = {"samples": len(pools[name]), **{kind: len(names) for kind, names in counts.found.items()}}
    if not pools:
        raise CompileError("; ".join(t["missing"] for t in told.values()))
    return examples_of(recipe, pools, recipe.split.seed), told


def examples_of(recipe: ModelRecipe, pools: Mapping[str, Pool], seed: int) -> Examples:
    """Examples of these pools as the recipe pairs them."""
    if recipe.pairing == "label" or len(pools) == 1:
        made = pair_by_label(pools, seed)
    else:
        asked = max(pools, key=lambda name: len(pools[name]))  # a picture has several questions
        made = pair_by_group(asked, pools)
    if int(made.labels.max(initial=NONE)) >= len(recipe.head.labels):
        raise CompileError(
            f"the data have label {int(made.labels.max())}, head {recipe.head.name} has "
            f"{len(recipe.head.labels)} labels: 0 to {len(recipe.head.labels) - 1}; correct head.labels"
        )
    return made


def joined(first: Pool, second: Pool) -> Pool:
    """One pool of both."""
    return Pool(
        np.concatenate([first.samples, second.samples]),
        np.concatenate([first.labels, second.labels]),
        first.groups + second.groups,
        first.names + second.names,
    )


def _read(
    recipe: ModelRecipe,
    plan: ModalityPlan,
    source: ReaderPlan,
    folder: Path,
    progress: Callable[[str, int, int], None],
    counts: Counts,
) -> Pool:
    pool = _pool(source, plan.input, recipe.head.labels, folder, Told(progress, counts))
    pool, gone = clean(pool) if recipe.pairing == "label" else (pool, Counts())
    counts.merge(gone)
    return pool


def _pool(source: ReaderPlan, spec: InputSpec, labels: tuple[str, ...], folder: Path, told: Told) -> Pool:
    """What a source reads; without a path of its own, where its reader looks by itself."""
    values: dict[str, object] = {"path": source.path, **source.options} if source.path else dict(source.options)
    return find_reader(source.reader)(folder, spec, labels, Options(values, told))


def _noises(recipe: ModelRecipe, folder: Path, progress: Progress) -> dict[str, Array]:
    """Recordings to mix in, whatever they are of."""
    made = {}
    for name, plan in recipe.modalities.items():
        if plan.noises is None:
            continue
        if not isinstance(plan.input, SoundInput):
            raise CompileError(f"modalities.{name}.noises: only sound has noises; {name} is of kind {plan.input.kind}")
        spec = plan.input.model_copy(update={"samples": round(NOISE_S * plan.input.rate_hz)})
        made[name] = _pool(plan.noises, spec, (), folder, Told(progress)).samples
    return made


def _split(recipe: ModelRecipe, pools: Mapping[str, Pool]) -> dict[str, dict[str, Pool]]:
    """Each pool's parts; samples that belong together as given (a question, its picture) are of one group."""
    split, made = recipe.split, {}
    held = dict(split.hold_out)
    if recipe.pairing == "given" and not held:
        groups = tuple(sorted({group for pool in pools.values() for group in pool.groups}))
        rows = split_fractions(groups, {TRAIN: 1 - split.share, TEST: split.share}, split.seed)
        held = dict.fromkeys(pools, tuple(groups[i] for i in rows[TEST]))
    for name, pool in pools.items():
        if name in held:
            rows = split_named(pool.groups, {TEST: sorted(set(held[name]) & set(pool.groups))}, rest=TRAIN)
        else:
            rows = split_fractions(pool.groups, {TRAIN: 1 - split.share, TEST: split.share}, split.seed)
        made[name] = split_pool(pool, rows)
    return made


def _without(pool: Pool, known: Counts) -> Pool:
    """The test pool without what the training pool has as well."""
    names = {name.split(" ")[0] for names in known.found.values() for name in names}
    return pool.take([i for i, name in enumerate(pool.names) if name not in names])


def _tell(parts: Mapping[str, Pool], counts: Counts) -> dict[str, Any]:
    told: dict[str, Any] = {part: {"samples": len(p), "groups": len(set(p.groups))} for part, p in parts.items()}
    told["held out"] = sorted(set(parts[TEST].groups))[:50]
    told["cleaned"] = {kind: len(names) for kind, names in sorted(counts.found.items())}
    return told
