"""What a part of role ``model`` says of itself: modalities, heads, and what makes its probabilities true."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sensorium.bundle import Part
from sensorium.errors import BundleError, first_fault, unknown
from sensorium.inputs import InputSpec

FUSION = "fusion"  # the graph's name; the others are named by modality
SAMPLE, TOKENS, PRESENCE = "sample", "tokens", "presence"  # names of the graphs' tensors
VOCABULARY = "vocabulary"  # the part's file, one WordPiece a line

# How long evidence of each kind counts [s]. A stream that stalls loses its evidence by its health, so pictures and
# readings need to last only from one to the next; an utterance counts for as long as a person takes what was said and
# what is shown as one; a question until after its answer.
LASTS_S = {"image": 5.0, "sound": 3.0, "text": 10.0, "readings": 5.0}
LASTS_READINGS = 5  # periods, of a sensor that is slower than one a second
MS_PER_S = 1000
MOST_MODALITIES = 10  # a model is measured with every subset of them: 1,024


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ClassesHead(_Entry):
    """Logits over labels."""

    kind: Literal["classes"] = "classes"
    labels: tuple[str, ...] = Field(min_length=2)


class EmbeddingHead(_Entry):
    """A unit vector in the space of the bundle's text embedder; candidates are any texts.

    A text scores ``scale * cosine + bias``. With a bias that is the logit of its own probability, independent of the
    others; without one, probabilities are a softmax over the texts that are looked for.
    """

    kind: Literal["embedding"] = "embedding"
    dims: int = Field(ge=1)
    scale: float = Field(default=10.0, gt=0)
    bias: float | None = None
    centred: bool = False  # whether the texts' vectors are taken from the embedder's centre
    labels: tuple[str, ...] = ()  # what is told where nothing is looked for


Head: TypeAlias = Annotated[ClassesHead | EmbeddingHead, Field(discriminator="kind")]


class ModelConfig(_Entry):
    """Settings of the part; the order of ``modalities`` is the order of presence, the first head is what is told."""

    modalities: dict[str, InputSpec] = Field(min_length=1, max_length=MOST_MODALITIES)
    heads: dict[str, Head] = Field(min_length=1)
    temperature: dict[str, Annotated[float, Field(gt=0)]] = {}  # by subset; divides its logits (arXiv 1706.04599)
    lasts_s: dict[str, Annotated[float, Field(gt=0)]] = {}  # by modality; default: by its kind
    answers: bool = False  # whether the first head's labels answer the question that the text modality holds

    @model_validator(mode="after")
    def _check(self) -> Self:
        allowed = set(subset_names(tuple(self.modalities)))
        for subset in self.temperature:
            if subset not in allowed:
                raise ValueError(unknown("subset", subset, allowed))
        for name in self.lasts_s:
            if name not in self.modalities:
                raise ValueError(unknown("modality", name, self.modalities))
        if self.answers and self.text_modality is None:
            raise ValueError("answers = true needs a modality of kind text for the question")
        if self.answers and self.first_head.kind != "classes":
            raise ValueError("answers = true needs a first head of kind classes: its labels are the answers")
        return self

    @property
    def first_head(self) -> Head:
        """The head that percepts tell."""
        return next(iter(self.heads.values()))

    @property
    def text_modality(self) -> str | None:
        """The first modality of kind text."""
        return next((name for name, spec in self.modalities.items() if spec.kind == "text"), None)

    def temperature_of(self, present: tuple[str, ...]) -> float:
        """Of the subset of these modalities; 1 where none was fitted."""
        return self.temperature.get(subset_name(tuple(m for m in self.modalities if m in present)), 1.0)

    def lasts(self, modality: str) -> float:
        """How long evidence of this modality counts [s]."""
        spec = self.modalities[modality]
        usual = LASTS_S[spec.kind]
        if spec.kind == "readings":
            usual = max(usual, LASTS_READINGS * spec.period_ms / MS_PER_S)
        return self.lasts_s.get(modality, usual)


def parse_config(part: Part) -> ModelConfig:
    """The part's settings; raises BundleError naming the key."""
    try:
        return ModelConfig.model_validate(part.config)
    except ValidationError as err:
        raise BundleError(f"part {part.name}: {first_fault(err, 'config')}; compile the bundle again") from err


def subset_name(present: tuple[str, ...]) -> str:
    """``vision+audio``; of the empty subset ``none``."""
    return "+".join(present) or "none"


def subset_names(modalities: tuple[str, ...]) -> tuple[str, ...]:
    """Every subset of these, the empty one too, in the order of their binary masks."""
    masks = range(2 ** len(modalities))
    return tuple(subset_name(tuple(m for i, m in enumerate(modalities) if mask >> i & 1)) for mask in masks)
