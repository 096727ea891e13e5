"""Turn end: Smart Turn v3.2, int8 as its makers ship it."""

import numpy as np

from sensorium.mel import whisper_log_mel
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.zoo import Weights

MODEL = "smart-turn-v3"
WINDOW_S = 8  # what it was trained on
_RATE_HZ = 16_000


def build(weights: Weights) -> PartDraft:
    """The graph as it is; its features are made by ``sensorium.mel``."""
    seconds = np.arange(3 * _RATE_HZ) / _RATE_HZ
    # A tone that falls like the end of a sentence.
    falling = (0.3 * np.sin(2 * np.pi * (180 - 15 * seconds) * seconds)).astype(np.float32)
    features = whisper_log_mel(falling, WINDOW_S * _RATE_HZ)[None]
    graph = GraphDraft(
        weights.path(MODEL).read_bytes(),
        precision="int8-static",
        golden={"falling": {"input_features": features}},
    )
    return PartDraft(
        role="turn_end",
        graphs={"model": graph},
        config={"window_s": WINDOW_S},
        origins=(weights.origin(MODEL),),
    )
