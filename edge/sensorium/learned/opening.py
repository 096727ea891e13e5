"""From a part of role ``model`` to encoders, a fusion, and answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def open_learned(part: Part, threads: int = 0, voice: Callable[[], Noticing] | None = None) -> Learned:
    """Open every graph of the part; ``voice`` makes a voice detector's stream for each modality of sound.

    Raises BundleError where the part's settings and graphs do not fit each other, BackendError where one does not open.
    """
    config = parse_config(part)
    towers = {
        name: Tower(name, spec, part.graph(name, threads=threads), config.lasts(name))
        for name, spec in config.modalities.items()
    }
    reader: Reader | None = None
    encoders: dict[str, Encoder] = {}
    for name, tower in towers.items():
        spec = tower.spec
        if isinstance(spec, ImageInput):
            encoders[name] = LearnedPictures(tower, spec)
        elif isinstance(spec, SoundInput):
            encoders[name] = LearnedSounds(tower, spec, voice() if voice is not None else None)
        elif isinstance(spec, TextInput):
            lines = Reader(tower, spec, read_vocabulary(part, spec))
            reader = reader or lines
            encoders[name] = LearnedLines(lines)
        elif isinstance(spec, ReadingsInput):
            encoders[name] = LearnedReadings(tower, spec)
    return Learned(config, encoders, FusionGraph(config, part.graph(FUSION, threads=threads)), reader)


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
