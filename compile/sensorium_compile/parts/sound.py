"""The sound tagger: the sound tower of the scene student up to its classes, and the head that ``fit.sound`` fitted."""

import numpy as np

from sensorium.bundle import Origin
from sensorium.components.sound import BANDS, FRAMES
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.fit.fitted import SOUND_ENCODER_FILE, SOUND_HEAD_FILE, fitted_sound
from sensorium_compile.zoo import Weights

# What the tower was made from; the zoo has no package of it.
YAMNET = Origin(
    package="YAMNet, TensorFlow Model Garden",
    file="yamnet.tflite",
    sha256="469be6a3421cbc52cf97e9f2f966cba984198e8e7af9854d68b3e3ebb1e04194",
    licence="Apache-2.0",
    url="https://github.com/tensorflow/models/tree/master/research/audioset/yamnet",
)


def build(_: Weights) -> PartDraft:
    """One graph with weights of 8 bits, the head as data."""
    fitted = fitted_sound()
    noise = np.random.default_rng(0).uniform(-7, 0, (2, FRAMES, BANDS)).astype(np.float32)  # any will do
    golden = {"noise": {"patches": noise}}
    return PartDraft(
        role="sound",
        graphs={"encoder": GraphDraft(SOUND_ENCODER_FILE.read_bytes(), precision="int8-weights", golden=golden)},
        files={"head": ("head.npz", SOUND_HEAD_FILE.read_bytes())},
        config=fitted.config.model_dump(mode="json"),
        origins=(YAMNET,),
        figures=fitted.figures,
    )
