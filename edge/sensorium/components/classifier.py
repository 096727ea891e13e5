"""Names what an image shows as a whole: EfficientNet-Lite, ImageNet's 1,000 classes.

https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sensorium.bundle import Part
from sensorium.images import Image, centre_crop, resize


class ClassifierConfig(BaseModel):
    """What the part says of its graph."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int  # side of the graph's input [pixels]
    crop: float  # side of the middle square that is looked at, as a share of the image's shorter side


class Classifier:
    """The classifier of a bundle; ``threads`` 0 leaves the number to the backend."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self._config = ClassifierConfig.model_validate(dict(part.config))
        self._graph = part.graph(threads=threads)
        self.labels = tuple(part.read("labels").decode().splitlines())

    def classify(self, image: Image) -> NDArray[np.float32]:
        """Probability of each label, (labels,), for an image uint8 (height, width, 3) RGB."""
        config = self._config
        pixels = resize(centre_crop(image, config.crop), config.size, config.size)
        probabilities: NDArray[np.float32] = self._graph.run({"pixels": pixels[None]})["probabilities"][0]
        return probabilities

    def names(self, probabilities: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
        """The ``count`` most probable names; classes that share a name (two are "sunglasses") add up."""
        total: dict[str, float] = {}
        for label, probability in zip(self.labels, probabilities.tolist(), strict=True):
            total[label] = total.get(label, 0.0) + probability
        return sorted(total.items(), key=lambda item: -item[1])[:count]
