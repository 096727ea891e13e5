"""What a compile run follows: a TOML file, checked at the door."""

import importlib
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from sensorium.bundle import Bundle
from sensorium.errors import LadderError, first_fault, unknown
from sensorium.inputs import InputSpec
from sensorium.ladder import KEY, parse_ladder
from sensorium.learned.config import MOST_MODALITIES
from sensorium.toml import parse_toml
from sensorium_compile.draft import PartDraft
from sensorium_compile.errors import CompileError, keys_of
from sensorium_compile.pack import pack
from sensorium_compile.train.options import DistilOptions, Share, TrainingOptions
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

Progress = Callable[[str, int, int], None]  # what is being made, how many are done, how many there are

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


def prefixed(text: str, progress: Progress) -> Progress:
    """The same progress, told as part of other work."""
    return lambda what, done, total: progress(f"{text}{what}", done, total)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipe(_Table):
    """A bundle of ready parts."""

    name: Name
    description: str = ""
    parts: tuple[str, ...] = Field(min_length=1)


class ReaderPlan(_Table):
    """Where samples come from."""

    reader: str  # by name: image_folders, fsdd, ..., or one that a plugin registers
    path: str = ""  # the folder inside --data
    options: dict[str, JsonValue] = {}  # the reader's own
    licence: str = ""
    credit: str = ""


class ModalityPlan(ReaderPlan):
    """One modality: what its samples are, and which data teaches it."""

    input: InputSpec
    extra: tuple[ReaderPlan, ...] = ()  # more to train on, never to measure with
    noises: ReaderPlan | None = None  # of sound: recordings that are mixed in while training, whatever they are of

    @property
    def sources(self) -> tuple[ReaderPlan, ...]:
        """All that is read: what is measured and trained with first."""
        return (self, *self.extra, *([self.noises] if self.noises is not None else []))


class HeadPlan(_Table):
    """What is told: one of these labels.

    Of kind ``text`` they are texts in a text embedder's space, to which the model is aligned: a bundle with the part
    ``embedder`` can be asked for others as well.
    """

    name: Name = "answer"
    kind: Literal["classes", "text"] = "classes"
    labels: tuple[str, ...] = Field(min_length=2)
    answers: bool = False  # whether the labels answer the question that the modality of text holds


class FusionPlan(_Table):
    """Which fusion, and how large."""

    kind: Literal["late", "cross", "product", "unified"] = "cross"
    depth: Annotated[int, Field(ge=1, le=24)] = 1
    heads: Annotated[int, Field(ge=1)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ModelPlan(_Table):
    """A teacher or a student: a tower a modality (``name`` and the tower's own options), the fusion, the training."""

    width: Annotated[int, Field(ge=8)]
    towers: dict[str, dict[str, JsonValue]]
    fusion: FusionPlan = FusionPlan()
    training: TrainingOptions


class SplitPlan(_Table):
    """Which groups (persons, speakers, sessions) are kept for measuring: by name, the rest by seeded share."""

    hold_out: dict[str, tuple[str, ...]] = {}  # modality -> groups; a modality without one gives a share of its groups
    share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: int = 0


class PrunePlan(_Table):
    """Structured pruning of the student's convolutions by magnitude, then ``steps`` more of distillation."""

    ratio: Annotated[float, Field(ge=0, lt=0.95)] = 0.0
    steps: Annotated[int, Field(ge=0)] = 0


class FinishPlan(_Table):
    """So many steps of distillation more, with fewer augmented samples: what is clean is what a model meets most.

    As detectors leave out mosaic and mixing in their last epochs (YOLOX, arXiv 2107.08430).
    """

    steps: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    clean: Share = 0.5  # of the samples that are not augmented


class PracticePlan(_Table):
    """So many steps in which one sense's encoder learns alone, from labels: what is hardest for a sense that is alone.

    The rest of the student stays as it is. ``augment`` replaces steps of the recipe's table for that modality.
    """

    steps: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3  # at 3e-3 keypad forgot what it read in the dark
    clean: Share = 0.15  # of the samples that are not augmented
    augment: dict[str, JsonValue] = {}


class QatPlan(_Table):
    """Quantization-aware training: so many steps of distillation more, in 8 bits."""

    when: Literal["needed", "always"] = "needed"  # needed: where no form in 8 bits passes the gate
    steps: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4


class VariantPlan(_Table):
    """The student on smaller inputs, with narrower towers, or both, for a chip that is late or hot.

    Narrower towers are distilled on the student's own inputs, from its weights where they fit.
    """

    inputs: dict[str, dict[str, JsonValue]] = {}  # modality -> keys of its input that are other
    towers: dict[str, dict[str, JsonValue]] = {}  # modality -> options of the student's tower that are other
    steps: Annotated[int, Field(ge=0)] = 0  # of distillation, where towers are other
    max_drop: Annotated[float, Field(ge=0)] = 5.0  # points of accuracy in the worst subset, against the student

    @model_validator(mode="after")
    def _is_smaller(self) -> "VariantPlan":
        if not self.inputs and not self.towers:
            raise ValueError("give inputs, towers or both")
        if bool(self.towers) != bool(self.steps):
            raise ValueError(f"other towers are distilled: give towers and steps; steps is {self.steps}")
        return self

    def input_of(self, modality: str, given: InputSpec) -> InputSpec:
        """The modality's input in this variant; raises ValueError where it cannot be that."""
        changes = self.inputs.get(modality)
        if changes is None:
            return given
        if given.kind not in ("image", "sound"):
            raise ValueError(f"{modality} is of kind {given.kind}; what can be smaller: image, sound")
        return type(given).model_validate(given.model_dump() | changes)

    def student_of(self, given: ModelPlan) -> ModelPlan:
        """The student in this variant."""
        if not self.steps:
            return given
        towers = {name: {**own, **self.towers.get(name, {})} for name, own in given.towers.items()}
        training = given.training.model_copy(update={"steps": self.steps, "seed": given.training.seed + 3})
        return given.model_copy(update={"towers": towers, "training": training})


class GatePlan(_Table):
    """What a lowered form may cost."""

    max_drop: Annotated[float, Field(ge=0)] = 1.0  # points of accuracy in the worst subset
    min_cosine: Annotated[float, Field(ge=0, le=1)] = 0.99  # to eager on golden inputs
    min_agreement: Annotated[float, Field(ge=0, le=1)] = 0.99  # of decisions with eager, where there is data


class ModelRecipe(_Table):
    """A bundle around one learned model."""

    name: Name
    description: str = ""
    plugins: tuple[Module, ...] = ()  # packages that register readers and towers
    pairing: Literal["label", "given"] = "label"  # by label, drawn anew each time; or as the reader gives them
    modalities: dict[Name, ModalityPlan] = Field(min_length=1, max_length=MOST_MODALITIES)
    head: HeadPlan
    split: SplitPlan = SplitPlan()
    augment: dict[str, dict[str, JsonValue]] = {}  # modality -> what sensorium_compile.data.augment takes
    teacher: ModelPlan
    student: ModelPlan
    distil: DistilOptions = DistilOptions()
    prune: PrunePlan = PrunePlan()
    finish: FinishPlan = FinishPlan()
    practice: dict[Name, PracticePlan] = {}
    qat: QatPlan = QatPlan()
    gate: GatePlan = GatePlan()
    variants: dict[Name, VariantPlan] = {}
    rung: list[dict[str, JsonValue]] = []  # the ladder from the top down, as sensorium.ladder reads it; none: the usual
    # For when a backend fails while a session runs, the smallest form of another one that passed the gate is packed
    # beside what ships. Not counted in a budget of size.
    fallback: Literal["none", "smallest"] = "none"
    # Samples that a graph takes at once: any, for one runtime that serves several streams (SharedGraphs).
    batch: Literal["one", "any"] = "one"
    parts: tuple[Name, ...] = ()  # ready parts beside the model, of those whose weights are pulled

    @property
    def vocabulary(self) -> str | None:
        """The vocabulary of the modality of text, one WordPiece a line; None where there is no text.

        It is what the reader is told as ``vocabulary``. Raises CompileError when that is missing.
        """
        for name, plan in self.modalities.items():
            if plan.input.kind == "text":
                given = plan.options.get("vocabulary")
                if not isinstance(given, str):
                    raise CompileError(f"modalities.{name}.options.vocabulary: give the file of its vocabulary")
                from sensorium_compile.data.vocabulary import vocabulary_file

                return vocabulary_file(given).read_text(encoding="utf-8")
        return None

    @model_validator(mode="after")
    def _towers_fit(self) -> "ModelRecipe":
        for which, plan in (("teacher", self.teacher), ("student", self.student)):
            if set(plan.towers) != set(self.modalities):
                raise ValueError(
                    f"{which}.towers are {sorted(plan.towers)}, the modalities {sorted(self.modalities)}; "
                    f"one tower for each"
                )
            if plan.width % plan.fusion.heads:
                raise ValueError(f"{which}.width {plan.width} is no multiple of fusion.heads {plan.fusion.heads}")
        for name, variant in self.variants.items():
            for modality, own in self.modalities.items():
                try:
                    variant.input_of(modality, own.input)
                except ValueError as err:  # pydantic's is one
                    fault = first_fault(err) if isinstance(err, ValidationError) else err
                    raise ValueError(f"variants.{name}.inputs.{modality}: {fault}") from err
        if self.rung:
            try:
                parse_ladder({KEY: self.rung}, "the ladder")
            except LadderError as err:
                raise ValueError(str(err)) from err
        if self.distil.keep < 1 and self.pairing != "label":
            raise ValueError(f'distil.keep {self.distil.keep} is for pairing = "label"; given {self.pairing!r}')
        for name in self.parts:
            try:
                find_builder(name)
            except CompileError as err:
                raise ValueError(str(err)) from err
        named = [name for variant in self.variants.values() for name in (*variant.inputs, *variant.towers)]
        for key in (*self.augment, *self.practice, *self.split.hold_out, *named):
            if key not in self.modalities:
                raise ValueError(unknown("modality", key, self.modalities))
        return self


AnyRecipe: TypeAlias = Recipe | ModelRecipe


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with Sensorium."""
    folder = resources.files("sensorium_compile") / "recipes"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def recipe_text(text: str) -> str:
    """The TOML of a recipe by name or from a file; raises CompileError where there is none."""
    path = Path(text)
    if path.suffix == ".toml":
        if not path.is_file():
            raise CompileError(f"no recipe file {text}")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise CompileError(f"recipe {text} cannot be read: {err}") from err
    if text in recipe_names():
        return (resources.files("sensorium_compile") / "recipes" / f"{text}.toml").read_text(encoding="utf-8")
    raise CompileError(unknown("recipe", text, recipe_names()) + "; or give a .toml file")


def load_recipe(text: str) -> AnyRecipe:
    """A recipe by name, or from a TOML file; raises CompileError naming the key and what is allowed."""
    return parse_recipe(recipe_text(text), text)


def parse_recipe(content: str, where: str) -> AnyRecipe:
    """A recipe from TOML; ``where`` it came from is for the message."""
    try:
        table = parse_toml(content)
    except ValueError as err:
        raise CompileError(f"recipe {where} is no TOML: {err}") from err
    kind: type[BaseModel] = Recipe if "parts" in table and "modalities" not in table else ModelRecipe
    try:
        made = kind.model_validate(table)
    except ValidationError as err:
        raise CompileError(f"recipe {where}: {first_fault(err, 'the recipe', keys_of(kind))}") from err
    assert isinstance(made, Recipe | ModelRecipe)
    if isinstance(made, ModelRecipe):
        import_plugins(made.plugins)
    return made


def import_plugins(names: tuple[str, ...]) -> None:
    """Import the packages that register a recipe's own readers and towers."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as err:
            raise CompileError(f"plugin {name} cannot be imported: {err}; pip install it here first") from err
        except Exception as err:  # whatever the plugin's own code raises
            raise CompileError(f"plugin {name} cannot be imported: {type(err).__name__}: {err}") from err


def compile_recipe(
    recipe: Recipe, target: str, out: Path, weights: Weights, progress: Progress = lambda *_: None
) -> Bundle:
    """Build every part from its weights and pack them into ``out``; returns the bundle, opened and checked."""
    from sensorium_compile.targets.processor import proved

    check_target(target)
    drafts: dict[str, PartDraft] = {}
    for done, name in enumerate(recipe.parts):
        progress(name, done, len(recipe.parts) + 1)
        drafts[name] = find_builder(name)(weights)
    progress("packing", len(recipe.parts), len(recipe.parts) + 1)
    pack(recipe.name, target, proved(drafts, Target.parse(target)), out)
    progress("packed", len(recipe.parts) + 1, len(recipe.parts) + 1)
    return Bundle(out, target=target)


def check_target(target: str) -> None:
    """Raise TargetError for a target that there is no profile of, CompileError for one that is no processor."""
    from sensorium_compile.targets import PROCESSORS

    if Target.parse(target).family not in PROCESSORS:
        raise CompileError(f"{target} has a lowering of its own: use sensorium_compile.targets.compiling.Compiling")


def find_builder(name: str, backend: str | None = None) -> Callable[[Weights], PartDraft]:
    """What builds the ready part of that name, for ``backend`` where it can; raises CompileError naming all parts."""
    known = [f.name.removesuffix(".py") for f in resources.files("sensorium_compile.parts").iterdir()]
    known = [n for n in known if not n.startswith("_")]
    if name not in known:
        raise CompileError(unknown("part", name, known))
    module = importlib.import_module(f"sensorium_compile.parts.{name}")
    if backend is not None and hasattr(module, "build_for"):
        return partial(module.build_for, backend=backend)
    build: Callable[[Weights], PartDraft] = module.build
    return build
