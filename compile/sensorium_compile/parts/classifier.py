"""The classifier: EfficientNet-Lite2, from PyTorch to ONNX, in int8.

Chosen on 800 photos, one a class (likely from its training set: only differences count), one core of an EPYC:

    |             | top-1 | top-3 | ms   | MB   |
    | lite0 float | .856  | .956  |  9.6 | 18.5 |
    | lite1 float | .882  | .961  | 14.5 | 21.6 |
    | lite2 float | .860  | .964  | 20.6 | 24.3 |
    | lite2 int8  | .863  | .963  |  8.7 |  6.7 |

On ImageNet's validation set lite0, 1 and 2 have .751, .767 and .776 (https://github.com/tensorflow/tpu).

The vision tower of ``scene`` does not take its place: "a dog" and the like, sought in 61 photos of COCO by
sensorium_compile.scene.evaluate, are found with a mean average precision of .526 by that tower, and of .547 by this
classifier with the places of its names.
"""

import json

from sensorium_compile.convert import efficientnet, parity
from sensorium_compile.convert.quantize import quantize, recorded_ranges
from sensorium_compile.convert.state_dict import read_state_dict
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.zoo import Weights

STATE, NAMES = "efficientnet-lite2", "imagenet-names"
VARIANT = efficientnet.VARIANTS["lite2"]
CLASSES = 1000  # ImageNet's
CROP_PADDING = 32  # preprocessing.py of the original: the crop leaves this much of size + 32 out
QUANTIZED = ("Add", "Clip", "Conv", "Gemm", "GlobalAveragePool")  # all but the way in and the softmax
ERROR = 1e-4  # allowed for a probability, float against the original; seen 5e-7
COSINE = 0.99  # at least, int8 against the original; seen .9995


def build(weights: Weights) -> PartDraft:
    """Convert, compare with the original, quantize, compare again."""
    exact = efficientnet.convert(read_state_dict(weights.path(STATE)), VARIANT)
    small = quantize(exact, recorded_ranges(STATE), QUANTIZED)
    picture = {"pixels": parity.pattern(VARIANT.size)[None]}
    expected = parity.reference(STATE)["probabilities"]
    said = [parity.run(model, picture)["probabilities"][0] for model in (exact, small)]
    error = parity.check_error("the classifier", said[0], expected, ERROR)
    cosine = parity.check_cosine("the classifier in int8", said[1], expected, COSINE)
    model = small.SerializeToString(deterministic=True)
    return PartDraft(
        role="classifier",
        graphs={"model": GraphDraft(model, precision="int8-static", golden={"pattern": picture})},
        files={"labels": ("labels.txt", "\n".join(imagenet_names(weights.path(NAMES).read_bytes())).encode())},
        config={"size": VARIANT.size, "crop": VARIANT.size / (VARIANT.size + CROP_PADDING)},
        origins=tuple(weights.origin(entry) for entry in (STATE, NAMES)),
        figures={"float_error_to_original": error, "int8_cosine_to_original": cosine},
    )


def imagenet_names(source: bytes) -> tuple[str, ...]:
    """The names in the order of the classes, out of a JSON list."""
    names = json.loads(source)
    if not isinstance(names, list) or len(names) != CLASSES:
        raise CompileError(f"{NAMES} is no list of {CLASSES} names")
    return tuple(map(str, names))
