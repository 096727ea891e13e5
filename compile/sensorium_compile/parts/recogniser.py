"""Speech recogniser: Moonshine tiny for English, int8 as its makers ship it."""

import numpy as np

from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.zoo import Weights

ENCODER = "moonshine-tiny-en-encoder"
DECODER = "moonshine-tiny-en-decoder"
TOKENIZER = "moonshine-tiny-en-tokenizer"
START, END = 1, 2  # tokens that open and close a text
FIRST_SPECIAL = 32_000  # from here on tokens are no text
_RATE_HZ = 16_000
_LAYERS, _HEADS, _HEAD, _WIDTH = 6, 8, 36, 288  # of Moonshine tiny (arXiv 2410.15608, table 1)
_FRAMES = 8  # of sound in the decoder's golden inputs: any small number


def build(weights: Weights) -> PartDraft:
    """Encoder, decoder and vocabulary as they are."""
    hum = 0.3 * np.sin(2 * np.pi * 150 * np.arange(_RATE_HZ) / _RATE_HZ)
    golden: dict[str, Array] = {
        "input_values": hum.astype(np.float32)[None],
        "attention_mask": np.ones((1, _RATE_HZ), np.int64),
    }
    encoder = GraphDraft(
        weights.path(ENCODER).read_bytes(), suffix=".ort", precision="int8-dynamic", golden={"hum": golden}
    )
    decoder = GraphDraft(
        weights.path(DECODER).read_bytes(),
        suffix=".ort",
        precision="int8-dynamic",
        golden={"first": _first_step()},
    )
    return PartDraft(
        role="recogniser",
        graphs={"encoder": encoder, "decoder": decoder},
        files={"tokens": ("tokens.bin", weights.path(TOKENIZER).read_bytes())},
        config={"start": START, "end": END, "first_special": FIRST_SPECIAL},
        origins=tuple(weights.origin(name) for name in (ENCODER, DECODER, TOKENIZER)),
    )


def _first_step() -> dict[str, Array]:
    """The decoder's inputs for the first token after a made-up sound."""
    sound = np.sin(np.arange(_FRAMES * _WIDTH)).astype(np.float32).reshape(1, _FRAMES, _WIDTH)
    past = {
        f"past_key_values.{layer}.{side}.{kind}": np.zeros((1, _HEADS, 0, _HEAD), np.float32)
        for layer in range(_LAYERS)
        for side in ("decoder", "encoder")
        for kind in ("key", "value")
    }
    return past | {
        "input_ids": np.array([[START]], np.int64),
        "encoder_hidden_states": sound,
        "encoder_attention_mask": np.ones((1, _FRAMES * 384), np.int64),  # 384 samples a frame
        "use_cache_branch": np.array([False]),
    }
