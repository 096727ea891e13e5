"""The sound tagger: Google's speech embedding as published, and the head that ``fit.sound`` fitted."""

import numpy as np

from sensorium.components.sound import RATE_HZ
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.fit.fitted import SOUND_HEAD_FILE, fitted_sound
from sensorium_compile.zoo import Weights

MEL, EMBEDDING = "speech-melspectrogram", "speech-embedding"


def build(weights: Weights) -> PartDraft:
    """Two graphs in float32, the head as data."""
    fitted = fitted_sound()
    rng = np.random.default_rng(0)  # golden inputs: any noise will do
    audio = (rng.standard_normal((1, RATE_HZ)) * 3000).astype(np.float32)
    frames = rng.uniform(0, 4, (2, 76, 32, 1)).astype(np.float32)
    return PartDraft(
        role="sound",
        graphs={
            "mel": GraphDraft(weights.path(MEL).read_bytes(), golden={"noise": {"input": audio}}),
            "embedding": GraphDraft(weights.path(EMBEDDING).read_bytes(), golden={"noise": {"input_1": frames}}),
        },
        files={"head": ("head.npz", SOUND_HEAD_FILE.read_bytes())},
        config=fitted.config.model_dump(mode="json"),
        origins=(weights.origin(MEL), weights.origin(EMBEDDING)),
        figures=fitted.figures,
    )
