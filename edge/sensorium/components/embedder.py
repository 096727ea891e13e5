"""The text space: sentences and names as unit vectors, so that image, sound and speech can be compared.

MiniLM-L6 (Wang et al., https://arxiv.org/abs/2002.10957) as trained by sentence-transformers, mean pooled.
Its tokenizer is WordPiece (Devlin et al., https://arxiv.org/abs/1810.04805), written here in plain Python:
the library for it brings a download client along, which the runtime must not have.
"""

import io
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sensorium.backends import Graph
from sensorium.bundle import Part
from sensorium.bundle.archives import read_arrays
from sensorium.errors import BundleError
from sensorium.evidence import FusionConfig

_CJK = (  # the blocks that BERT's tokenizer splits into single characters, its slip at 2B920 included
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_WORD = 100  # characters; a longer word is unknown (max_input_chars_per_word of BERT)


class EmbedderConfig(BaseModel):
    """Settings of the part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tokens: int = Field(ge=3, le=512)  # longer texts are cut there
    cache_size: int = Field(ge=1)  # texts whose vectors are kept
    fusion: FusionConfig  # what evidence in this space is worth


class WordPiece:
    """BERT's uncased tokenizer: the same ids as ``tokenizers`` gives (a property test compares them)."""

    def __init__(self, vocabulary: Sequence[str], max_tokens: int = 128) -> None:
        self._ids = {token: i for i, token in enumerate(vocabulary)}
        self._max_tokens = max_tokens
        missing = [token for token in _SPECIAL if token not in self._ids]
        if missing:
            raise BundleError(f"the vocabulary lacks {', '.join(missing)}; it is no BERT vocabulary")
        self._unknown, self._first, self._last = (self._ids[t] for t in ("[UNK]", "[CLS]", "[SEP]"))
        self._special = re.compile("(" + "|".join(map(re.escape, _SPECIAL)) + ")")

    def encode(self, text: str) -> list[int]:
        """Token ids with ``[CLS]`` and ``[SEP]``, at most ``max_tokens``."""
        ids: list[int] = []
        for piece in self._special.split(text):
            ids += [self._ids[piece]] if piece in _SPECIAL else self._encode_plain(piece)
        return [self._first, *ids[: self._max_tokens - 2], self._last]

    def _encode_plain(self, text: str) -> list[int]:
        return [i for word in split_words(normalised(text)) for i in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        """Longest piece first; a word with a part that is not in the vocabulary is unknown as a whole."""
        if len(word) > _MAX_WORD:
            return [self._unknown]
        ids, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((e for e in ends if prefix + word[start:e] in self._ids), None)
            if end is None:
                return [self._unknown]
            ids.append(self._ids[prefix + word[start:end]])
            start = end
        return ids


class SentenceGraph:
    """Runs the graph on one text at a time.

    An int8 graph scales its activations by the whole batch: in a batch, a text's vector would depend on its
    neighbours, and a replay would not give the same decisions.
    """

    def __init__(self, graph: Graph, tokenizer: WordPiece) -> None:
        self._graph, self._tokenizer = graph, tokenizer
        self.dims = graph.outputs[0].shape[-1]

    def feeds(self, text: str) -> dict[str, NDArray[np.int64]]:
        """The graph's inputs, each (1, tokens)."""
        ids = np.array([self._tokenizer.encode(text)], np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

    def vector(self, text: str) -> NDArray[np.float32]:
        """The mean of the tokens' vectors, of length one, (384,)."""
        hidden = self._graph.run(self.feeds(text))[self._graph.outputs[0].name][0]  # (tokens, 384)
        mean = hidden.mean(axis=0)
        out: NDArray[np.float32] = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
        return out


class TextEmbedder:
    """Texts -> unit vectors, and the constants of the space. Any thread may call it."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        config = EmbedderConfig.model_validate(part.config)
        tokenizer = WordPiece(part.read("vocabulary").decode().split("\n"), config.max_tokens)
        self._sentences = SentenceGraph(part.graph("model", threads=threads), tokenizer)
        self._seeds = load_seeds(part.read("seeds"))
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._cache_size = config.cache_size
        self._lock = Lock()
        self.dims = self._sentences.dims
        self.centre = np.frombuffer(part.read("centre"), "<f4")  # (384,)
        self.fusion = config.fusion

    def embed(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Texts -> unit vectors (n, 384), in order. The same text always gives the same vector."""
        with self._lock:
            rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dims), np.float32)

    def _vector(self, text: str) -> NDArray[np.float32]:
        if text in self._seeds:
            return self._seeds[text]
        known = self._cache.pop(text, None)
        self._cache[text] = vector = self._sentences.vector(text) if known is None else known
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return vector


def load_seeds(content: bytes) -> dict[str, NDArray[np.float32]]:
    """Vectors that were embedded when the bundle was packed: .npz of ``texts`` (UTF-8 lines), ``vectors``."""
    try:
        arrays = read_arrays(content, "the embedder's seeds")
        texts, vectors = arrays["texts"].tobytes().decode().split("\n"), arrays["vectors"].astype(np.float32)
    except (ValueError, KeyError, TypeError) as err:
        raise BundleError(f"the embedder's seeds are no .npz of texts and vectors: {err}") from err
    if len(texts) != len(vectors):
        raise BundleError(f"the embedder's seeds hold {len(texts)} texts but {len(vectors)} vectors")
    return dict(zip(texts, vectors, strict=True))


def dump_seeds(seeds: Mapping[str, NDArray[np.float32]]) -> bytes:
    """The file that ``load_seeds`` reads."""
    stream = io.BytesIO()
    texts = np.frombuffer("\n".join(seeds).encode(), np.uint8)
    np.savez_compressed(stream, texts=texts, vectors=np.stack(list(seeds.values())))
    return stream.getvalue()


def normalised(text: str) -> str:
    """Control characters dropped, CJK set apart, accents stripped, lower case (BertNormalizer)."""
    clean = "".join(_cleaned(c) for c in text)
    bare = "".join(c for c in unicodedata.normalize("NFD", clean) if unicodedata.category(c) != "Mn")
    return "".join(c.lower() for c in bare)  # by character: no final sigma


def split_words(text: str) -> list[str]:
    """Words and single punctuation marks (BertPreTokenizer)."""
    return "".join(f" {c} " if _is_punctuation(c) else c for c in text).split()


def _cleaned(char: str) -> str:
    code = ord(char)
    if char not in "\t\n\r" and (code == 0xFFFD or unicodedata.category(char) in ("Cc", "Cf", "Co")):
        return ""
    if char.isspace():
        return " "
    return f" {char} " if any(low <= code <= high for low, high in _CJK) else char


def _is_punctuation(char: str) -> bool:
    ascii_mark = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_mark or unicodedata.category(char)[0] == "P"
