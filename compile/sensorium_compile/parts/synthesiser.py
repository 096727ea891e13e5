"""The speech synthesiser: Piper's voice "joe", a dictionary in its alphabet, a network for unknown words."""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from sensorium.samples import Array
from sensorium.speech.alphabet import to_voice
from sensorium.speech.lexicon import pack
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.zoo import Weights

VOICE = "piper-joe"
SETTINGS = "piper-joe-config"
GOLD = "misaki-us-gold"
SILVER = "misaki-us-silver"
LETTERS = "g2p-en"

# How many random vectors the graph holds and goes round in: a prime, so that no rhythm of the voice meets it.
_NOISE_FRAMES = 509
_SEED = 20240601  # any; it is the voice's "throat noise" for ever
# Random node of VITS -> its channels: the flow's latent, and the two of the duration predictor.
_CHANNELS = {"/RandomNormalLike": 192, "/dp/RandomNormalLike": 2}
_NUMBERS = {"noise/0": 0, "noise/1": 1, "noise/last": -1, "noise/round": _NOISE_FRAMES}
_TAGS = {"DEFAULT": "", "None": "|final", "VERB": "|verb", "NOUN": "|noun"}

Readings = Mapping[str, str | None] | str


def build(weights: Weights) -> PartDraft:
    """The voice with its random nodes replaced by fixed noise, and everything it needs to read English."""
    settings = json.loads(weights.path(SETTINGS).read_text("utf-8"))
    ids = {phoneme: numbers[0] for phoneme, numbers in settings["phoneme_id_map"].items()}
    model = onnx.load(weights.path(VOICE))
    fix_noise(model)
    gold, silver = (json.loads(weights.path(name).read_text("utf-8")) for name in (GOLD, SILVER))
    inference = settings["inference"]
    return PartDraft(
        role="synthesiser",
        graphs={"voice": GraphDraft(model.SerializeToString(deterministic=True), golden={"hello": _golden(ids)})},
        files={
            "lexicon": ("lexicon.z", pack(lexicon(gold, silver))),
            "letters": ("letters.npz", weights.path(LETTERS).read_bytes()),
        },
        config={
            "rate_hz": settings["audio"]["sample_rate"],
            "ids": ids,
            "noise": inference["noise_scale"],
            "length": inference["length_scale"],
            "rhythm": inference["noise_w"],
        },
        origins=tuple(weights.origin(name) for name in (VOICE, SETTINGS, GOLD, SILVER, LETTERS)),
    )


def lexicon(gold: Mapping[str, Readings], silver: Mapping[str, Readings]) -> dict[str, str]:
    """Word -> the voice's phonemes. Gold before silver, "march" before "March" before "MARCH".

    Words in capitals keep a line of their own where they are no usual word ("NASA"), variants get a mark
    ("use|verb"), and what has signs other than letters and apostrophes is left out.
    """
    entries: dict[str, str] = {}
    for words in (gold, silver):
        for case in (str.islower, str.istitle, str.isupper):
            for word in filter(case, words):
                for key, phonemes in _entries(word, words[word]):
                    entries.setdefault(key, phonemes)
    return entries


def _entries(word: str, readings: Readings) -> Iterator[tuple[str, str]]:
    plain = word.replace("'", "")
    if not (plain.isascii() and plain.isalpha()):
        return
    by_tag = {"DEFAULT": readings} if isinstance(readings, str) else readings
    usual = by_tag["DEFAULT"]
    # In capitals without a reading as a noun: a name that is spelled ("US", "IT").
    if word.isupper() and "NOUN" in by_tag and by_tag["NOUN"] is None:
        return
    key = word if word.isupper() else word.lower()
    for tag, mark in _TAGS.items():
        reading = by_tag.get(tag)
        if reading and (tag == "DEFAULT" or reading != usual):
            yield key + mark, to_voice(reading, word)


def fix_noise(model: onnx.ModelProto) -> None:
    """Replace each RandomNormalLike by fixed normal noise, so that two runs agree in every bit.

    A seed would not do: ONNX Runtime draws on from run to run, so what was said before would be heard.
    """
    random = np.random.default_rng(_SEED)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "RandomNormalLike":
            noise = random.standard_normal((1, _CHANNELS[node.name], _NOISE_FRAMES), np.float32)
            model.graph.initializer.append(numpy_helper.from_array(noise, f"{node.name}/noise"))
            nodes += _read_round(node)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(np.int64(v), name) for name, v in _NUMBERS.items())
    onnx.checker.check_model(model)


def _read_round(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Nodes for ``noise[:, :, range(length) % frames]`` in place of a random node."""
    name, like, out = node.name, node.input[0], node.output[0]
    return [
        helper.make_node("Shape", [like], [f"{name}/shape"]),
        helper.make_node("Gather", [f"{name}/shape", "noise/last"], [f"{name}/length"]),
        helper.make_node("Range", ["noise/0", f"{name}/length", "noise/1"], [f"{name}/frames"]),
        helper.make_node("Mod", [f"{name}/frames", "noise/round"], [f"{name}/places"]),
        helper.make_node("Gather", [f"{name}/noise", f"{name}/places"], [out], axis=2),
    ]


def _golden(ids: Mapping[str, int]) -> dict[str, Array]:
    """Inputs for "hello" in the voice's phonemes."""
    pads = [number for phoneme in "həlˈoʊ." for number in (ids[phoneme], ids["_"])]
    numbers = [ids["^"], ids["_"], *pads, ids["$"]]
    return {
        "input": np.array([numbers], np.int64),
        "input_lengths": np.array([len(numbers)], np.int64),
        "scales": np.array([0.667, 1.0, 0.8], np.float32),  # Piper's defaults
    }
