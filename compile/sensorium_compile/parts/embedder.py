"""The text embedder: MiniLM-L6 in int8, its vocabulary, vectors of all names that the other parts use."""

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sensorium.backends import open_graph
from sensorium.bundle import GraphEntry, Origin, TensorSpec
from sensorium.components.embedder import SentenceGraph, WordPiece, dump_seeds
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.fit.fitted import fusion_config, sound_labels
from sensorium_compile.parts.classifier import imagenet_names
from sensorium_compile.parts.detector import coco_names
from sensorium_compile.zoo import Weights

MODEL, TOKENIZER = "minilm-int8", "minilm-tokenizer"
IMAGENET, COCO = "imagenet-names", "coco-names"
CACHE_SIZE = 4096  # texts, 1.5 kB each: more than a day's talk

_GOLDEN_TEXT = "a red cup on the table"
_ENTRY = GraphEntry(
    file="model.onnx",
    backend="onnxruntime",
    inputs=tuple(
        TensorSpec(name=name, dtype="int64", shape=(-1, -1))
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ),
    outputs=(TensorSpec(name="last_hidden_state", dtype="float32", shape=(-1, -1, 384)),),
)


def build(weights: Weights) -> PartDraft:
    """The model as published; names are embedded here once: a thousand take seconds on a small chip."""
    settings = json.loads(weights.path(TOKENIZER).read_text("utf-8"))
    vocabulary = in_order(settings["model"]["vocab"])
    max_tokens = int(settings["truncation"]["max_length"])
    model = weights.path(MODEL).read_bytes()
    sentences = SentenceGraph(open_graph(_ENTRY, model, threads=1), WordPiece(vocabulary, max_tokens))
    seeds = {name: sentences.vector(name) for name in known_names(weights)}
    golden = {"ids": sentences.feeds(_GOLDEN_TEXT)}
    return PartDraft(
        role="embedder",
        graphs={"model": GraphDraft(model, precision="int8-dynamic", golden=golden)},
        files={
            "vocabulary": ("vocabulary.txt", "\n".join(vocabulary).encode()),
            "seeds": ("seeds.npz", dump_seeds(seeds)),
            "centre": ("centre.f32", centre(seeds).tobytes()),
        },
        config={
            "max_tokens": max_tokens,
            "cache_size": CACHE_SIZE,
            "fusion": fusion_config().model_dump(mode="json"),
        },
        origins=origins(weights),
    )


def origins(weights: Weights) -> tuple[Origin, ...]:
    """Where the weights and the names come from."""
    return tuple(weights.origin(name) for name in (MODEL, TOKENIZER, IMAGENET, COCO))


def in_order(vocabulary: Mapping[str, int]) -> list[str]:
    """Tokens by their id; raises ValueError where ids have gaps, for then a list cannot stand for them."""
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[token] for token in tokens] != list(range(len(tokens))) or any("\n" in t for t in tokens):
        raise ValueError("the tokenizer's vocabulary has gaps or line breaks; it cannot be stored by line")
    return tokens


def known_names(weights: Weights) -> list[str]:
    """Names that the classifier, the detector and the sound tagger may give, each once."""
    imagenet = imagenet_names(weights.path(IMAGENET).read_bytes())
    coco = coco_names(weights.path(COCO).read_text("utf-8"))
    return list(dict.fromkeys([*imagenet, *coco, *sound_labels()]))


def centre(seeds: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of all names, (384,): what every text has in common, and so tells nothing."""
    mean: NDArray[np.float32] = np.stack(list(seeds.values())).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
