"""Voice activity: Silero VAD v6 as its makers ship it."""

import numpy as np

from sensorium.components.voice_activity import CHUNK, RATE_HZ
from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.zoo import Weights

MODEL = "silero-vad"
_CONTEXT = 64  # samples of the chunk before, that each chunk is given with
_STATE = (2, 1, 128)


def build(weights: Weights) -> PartDraft:
    """The graph as it is."""
    hum = 0.3 * np.sin(2 * np.pi * 150 * np.arange(_CONTEXT + CHUNK) / RATE_HZ)
    golden: dict[str, Array] = {
        "input": hum.astype(np.float32)[None],
        "state": np.zeros(_STATE, np.float32),
        "sr": np.array(RATE_HZ, np.int64),
    }
    return PartDraft(
        role="voice_activity",
        graphs={"model": GraphDraft(weights.path(MODEL).read_bytes(), golden={"hum": golden})},
        origins=(weights.origin(MODEL),),
    )
