"""Typed text for a learned model: every line is an utterance, and tokens."""

from sensorium.components.embedder import WordPiece
from sensorium.encoders import FAILING
from sensorium.encoders.text import TextEncoder
from sensorium.errors import SampleError
from sensorium.inputs import TextInput, prepare_text
from sensorium.learned.tower import Tokens, Tower
from sensorium.samples import Line, Sample
from sensorium.steps import Finding


class Reader:
    """From words to tokens. Any thread may call it."""

    def __init__(self, tower: Tower, spec: TextInput, tokenizer: WordPiece) -> None:
        self.tower = tower
        self._spec, self._tokenizer = spec, tokenizer

    def read(self, text: str) -> Tokens:
        """The tokens of a text; raises SampleError where it is blank, BackendError where the graph fails."""
        return self.tower.run(prepare_text(text, self._spec, self._tokenizer))

    def attempt(self, text: str, failures: list[str]) -> Tokens | None:
        """The same; a graph that fails is named in ``failures``."""
        return self.tower.attempt(prepare_text(text, self._spec, self._tokenizer), failures)


class LearnedLines:
    """See the module. The modality ``text`` takes part in the conversation; another is evidence alone."""

    def __init__(self, reader: Reader) -> None:
        self.modality = reader.tower.modality
        self._reader = reader
        self._plain = TextEncoder()

    def encode(self, sample: Sample) -> Finding:
        """The line and its tokens; an empty one says nothing."""
        if not isinstance(sample, Line):
            raise SampleError(f"the {self.modality} encoder takes lines; given {type(sample).__name__}")
        text = self._plain.encode(sample).text
        if text is None:
            return Finding(self.modality, sample.captured_ns)
        failures: list[str] = []
        tokens = self._reader.attempt(text, failures)
        return Finding(
            self.modality,
            sample.captured_ns,
            fault=FAILING if tokens is None else None,
            evidence=() if tokens is None else (self._reader.tower.evidence(tokens, sample.captured_ns),),
            text=text if self.modality == "text" else None,
            failures=tuple(failures),
        )
