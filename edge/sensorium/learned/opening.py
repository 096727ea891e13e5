"""From a part of role ``model`` to encoders, a fusion, and answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sensorium.bundle import Part
from sensorium.components.embedder import TextEmbedder, WordPiece
from sensorium.encoders import Encoder
from sensorium.errors import BundleError
from sensorium.fusion import Fusion
from sensorium.inputs import ImageInput, ReadingsInput, SoundInput, TextInput
from sensorium.learned.answering import Answerer
from sensorium.learned.config import FUSION, VOCABULARY, ClassesHead, EmbeddingHead, ModelConfig, parse_config
from sensorium.learned.fusion import ClassScorer, FusionGraph, LearnedFusion, Scorer, TextScorer
from sensorium.learned.lines import LearnedLines, Reader
from sensorium.learned.pictures import LearnedPictures
from sensorium.learned.readings import LearnedReadings
from sensorium.learned.sounds import LearnedSounds, Noticing
from sensorium.learned.tower import Tower


@dataclass(frozen=True, slots=True)
class Learned:
    """An opened model."""

    config: ModelConfig
    encoders: dict[str, Encoder]  # by modality
    graph: FusionGraph
    reader: Reader | None  # where text is a modality

    def fusion(self, texts: Sequence[str], embedder: TextEmbedder | None) -> Fusion | None:
        """Scores ``texts``, or what the model knows where there are none; None where it can score nothing.

        A head of embeddings needs the embedder that its space is from.
        """
        scorer = self._scorer(texts, embedder)
        return None if scorer is None else LearnedFusion(self.graph, scorer, self.reader)

    @property
    def answerer(self) -> Answerer | None:
        """Answers questions, where the model was made for it."""
        return Answerer(self.graph, self.reader) if self.config.answers and self.reader is not None else None

    def _scorer(self, texts: Sequence[str], embedder: TextEmbedder | None) -> Scorer | None:
        head = self.config.first_head
        if isinstance(head, ClassesHead):
            return ClassScorer(head.labels, texts)
        wanted = tuple(texts) or head.labels
        if embedder is None or not wanted:
            return None
        return TextScorer(wanted, vectors_of(embedder, wanted, head), head.scale, head.bias)


def open_learned(
    part: Part,
    threads: int = 0,
    voice: Callable[[], Noticing] | None = None,
    variants: Mapping[str, Part] | None = None,
) -> Learned:
    """Open every graph of the part; ``voice`` makes a voice detector's stream for each modality of sound.

    Of ``variants``, by name, those graphs are opened whose input is another than the model's: now, for a chip that is
    late has no time to open graphs. Their tokens are the model's, and so is the fusion.
    Raises BundleError where the part's settings and graphs do not fit each other, BackendError where one does not open.
    """
    config = parse_config(part)
    smaller = {name: _smaller(config, own, threads) for name, own in (variants or {}).items()}
    towers = {
        name: Tower(name, spec, part.graph(name, threads=threads), config.lasts(name))
        for name, spec in config.modalities.items()
    }
    reader: Reader | None = None
    encoders: dict[str, Encoder] = {}
    for name, tower in towers.items():
        spec = tower.spec
        if isinstance(spec, ImageInput):
            encoders[name] = LearnedPictures(tower, spec, _of(smaller, name, ImageInput))
        elif isinstance(spec, SoundInput):
            noticing = voice() if voice is not None else None
            encoders[name] = LearnedSounds(tower, spec, noticing, _of(smaller, name, SoundInput))
        elif isinstance(spec, TextInput):
            lines = Reader(tower, spec, read_vocabulary(part, spec))
            reader = reader or lines
            encoders[name] = LearnedLines(lines)
        elif isinstance(spec, ReadingsInput):
            encoders[name] = LearnedReadings(tower, spec)
    return Learned(config, encoders, FusionGraph(config, part.graph(FUSION, threads=threads)), reader)


def _smaller(config: ModelConfig, part: Part, threads: int) -> dict[str, Tower]:
    """The variant's graphs of those modalities whose input is another, by modality."""
    own = parse_config(part)
    other = {name: spec for name, spec in own.modalities.items() if spec != config.modalities.get(name)}
    for name, spec in other.items():
        usual = config.modalities.get(name)
        if usual is None or usual.kind != spec.kind or spec.kind not in ("image", "sound"):
            raise BundleError(f"part {part.name}: {name} is no smaller form of the model's; compile the bundle again")
    return {name: Tower(name, spec, part.graph(name, threads=threads), own.lasts(name)) for name, spec in other.items()}


_Spec = TypeVar("_Spec", bound=ImageInput | SoundInput)


def _of(smaller: Mapping[str, Mapping[str, Tower]], name: str, kind: type[_Spec]) -> dict[str, tuple[Tower, _Spec]]:
    """That modality's towers, by variant."""
    found = ((variant, towers[name]) for variant, towers in smaller.items() if name in towers)
    return {variant: (tower, tower.spec) for variant, tower in found if isinstance(tower.spec, kind)}


def read_vocabulary(part: Part, spec: TextInput) -> WordPiece:
    """The tokenizer of the part's vocabulary file."""
    return WordPiece(part.read(VOCABULARY).decode().splitlines(), spec.tokens)


def vectors_of(embedder: TextEmbedder, texts: Sequence[str], head: EmbeddingHead) -> NDArray[np.float32]:
    """Unit vectors (texts, dims) of the texts in the head's space."""
    vectors = embedder.embed(texts)
    if vectors.shape[1] != head.dims:
        raise BundleError(f"the model's head has {head.dims} dimensions, the bundle's embedder {vectors.shape[1]}")
    if head.centred:
        vectors = vectors - embedder.centre
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return vectors.astype(np.float32)
