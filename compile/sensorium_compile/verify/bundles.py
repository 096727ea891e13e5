"""How often the model of any bundle is right on any folder laid out like its training data."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.bundle import Bundle, Part
from sensorium.components.embedder import TextEmbedder
from sensorium.errors import unknown
from sensorium.learned.config import VOCABULARY, EmbeddingHead, ModelConfig, parse_config
from sensorium.learned.opening import vectors_of
from sensorium_compile.data.damage import load_scenery
from sensorium_compile.data.examples import subsets
from sensorium_compile.data.load import load_all, load_data
from sensorium_compile.errors import CompileError
from sensorium_compile.recipe import ModelRecipe, parse_recipe
from sensorium_compile.verify.evaluate import Progress, predict, score
from sensorium_compile.verify.gate import SubsetFigures, contributions, figures
from sensorium_compile.verify.hard import hard_table
from sensorium_compile.verify.opened import OpenedModel

ROLE = "model"  # of a part that was learned
RECIPE = "recipe"  # the part's file that tells how its data are laid out


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of a model."""

    part: str
    head: str
    subsets: Mapping[str, SubsetFigures]
    contributions: Mapping[str, float]  # by sense, mean absolute log-odds
    left_out: Mapping[str, str]  # sense -> why it has no samples
    samples: Mapping[str, Any]  # sense -> what was read and left out
    hard: Mapping[str, SubsetFigures] = field(default_factory=dict)  # cell -> figures

    @property
    def not_measured(self) -> tuple[str, ...]:
        """The subsets that had no samples."""
        senses = [*self.samples]
        return tuple(subset for subset in subsets(senses) if subset not in self.subsets)


def evaluate_bundle(
    bundle: Bundle,
    data: Path,
    *,
    part: str | None = None,
    held_out: bool = False,
    scenery: Path | None = None,
    threads: int = 1,
    progress: Progress = lambda *_: None,
) -> Evaluation:
    """Measure the bundle's model (or the one named) on a folder; senses that the folder lacks are left out.

    ``held_out`` measures only groups that the recipe keeps from training: what the training folder itself is for.
    ``scenery`` is a folder of recorded noises and rooms: the hard protocol's table is made too.
    Raises CompileError: no model or recipe in the bundle, nothing in the folder.
    """
    chosen = find_model(bundle, part)
    config = parse_config(chosen)
    if isinstance(config.first_head, EmbeddingHead) and RECIPE not in chosen.entry.files:
        return _evaluate_places(bundle, chosen, data, held_out, threads)
    recipe = read_recipe(chosen)
    noises = load_scenery(scenery) if scenery is not None else None
    with _with_vocabulary(chosen, recipe) as complete:
        if held_out:
            loaded = load_data(complete, data, progress, extra=False)
            examples, told = loaded.test, dict(loaded.told)
        else:
            examples, told = load_all(complete, data, progress)
    model = OpenedModel.of_part(chosen, threads=threads)
    _check_labels(config, recipe)
    answers = predict(model, examples, config.modalities, progress=progress)
    space = _space(bundle, config)
    scores = score(answers, examples, config, space=space)
    if not scores:
        raise CompileError(f"no sample in {data} has a label of {recipe.head.name}; nothing can be measured")
    return Evaluation(
        part=chosen.name,
        head=next(iter(config.heads)),
        subsets=figures(scores),
        contributions=contributions(scores),
        left_out={sense: str(one["missing"]) for sense, one in told.items() if "missing" in one},
        samples=told,
        hard=hard_table(model, examples, config, noises, space=space, progress=progress) if noises is not None else {},
    )


def _space(bundle: Bundle, config: ModelConfig) -> NDArray[np.float32] | None:
    """Vectors (labels, dims) of the labels' texts, where the model's head gives places among texts."""
    head = config.first_head
    part = bundle.find("embedder")
    if not isinstance(head, EmbeddingHead):
        return None
    if part is None:
        raise CompileError(f"{bundle.path} has no part of role embedder, so texts cannot be compared with its model")
    return vectors_of(TextEmbedder(part, 1), head.labels, head)


def _evaluate_places(bundle: Bundle, part: Part, data: Path, held_out: bool, threads: int) -> Evaluation:
    """A model whose head gives places in a text space has no labels of its own: it is measured by texts."""
    from sensorium_compile.scene.of_bundle import scene_scores

    config = parse_config(part)
    scores, missing = scene_scores(bundle, part, data, held_out=held_out, threads=threads)
    return Evaluation(
        part=part.name,
        head=next(iter(config.heads)),
        subsets=figures(scores),
        contributions={},
        left_out=missing,
        samples={sense: {} for sense in config.modalities},
    )


def find_model(bundle: Bundle, name: str | None = None) -> Part:
    """The part with role ``model``, or the one named; raises CompileError where there is none."""
    models = [part for part, entry in bundle.manifest.parts.items() if entry.role == ROLE]
    if not models:
        raise CompileError(
            f"{bundle.path} has no learned model (a part of role {ROLE}), only "
            f"{', '.join(bundle.manifest.parts)}; compile one, e.g. sensorium compile keypad"
        )
    if name is not None and name not in models:
        raise CompileError(f"{bundle.path}: {unknown('model', name, models)}")
    return bundle.part(name or models[0])


def read_recipe(part: Part) -> ModelRecipe:
    """The recipe that travels in the part; raises CompileError where there is none."""
    if RECIPE not in part.entry.files:
        raise CompileError(f"part {part.name} carries no recipe, so how its data are laid out is not known")
    recipe = parse_recipe(part.read(RECIPE).decode(), f"of part {part.name}")
    if not isinstance(recipe, ModelRecipe):
        raise CompileError(f"part {part.name}: its recipe is no model's")
    return recipe


@contextmanager
def _with_vocabulary(part: Part, recipe: ModelRecipe) -> Iterator[ModelRecipe]:
    """The recipe with the part's own vocabulary for its modalities of text, as a file while it is read."""
    texts = [name for name, plan in recipe.modalities.items() if plan.input.kind == "text"]
    if not texts or VOCABULARY not in part.entry.files:
        yield recipe
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocab.txt"
        path.write_bytes(part.read(VOCABULARY))
        plans = dict(recipe.modalities)
        for name in texts:
            options = {**plans[name].options, "vocabulary": str(path)}
            plans[name] = plans[name].model_copy(update={"options": options})
        yield recipe.model_copy(update={"modalities": plans})


def _check_labels(config: ModelConfig, recipe: ModelRecipe) -> None:
    head, told = next(iter(config.heads.items()))
    if told.labels and told.labels != recipe.head.labels:
        raise CompileError(
            f"head {head} has labels {', '.join(told.labels[:5])}, its recipe {', '.join(recipe.head.labels[:5])}; "
            "compile the bundle again"
        )
