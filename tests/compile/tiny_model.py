"""A learned model small enough to open in a test: what it answers can be told in the head.

A picture's class is its brightest channel, a sound's the loudest third; the fusion adds what is present.
"""

import numpy as np
import onnx
import onnx.parser

from sensorium.bundle import GraphEntry, TensorSpec
from sensorium.inputs import ImageInput, SoundInput
from sensorium.learned import ClassesHead, ModelConfig
from sensorium_compile.data.examples import Examples, Pool

CLASSES = 3
LABELS = ("red", "green", "blue")
HEADER = '<ir_version: 10, opset_import: ["" : 20]>'
VISION = "(float[1,3,8,8] sample) => (float[1,1,3] tokens) { axes = Constant<value_ints=[2,3]>() \n"
VISION += "mean = ReduceMean<keepdims=0>(sample, axes) \n one = Constant<value_ints=[1]>() \n"
VISION += "full = Constant<value_float=255.0>() \n scaled = Div(mean, full) \n tokens = Unsqueeze(scaled, one) }"
AUDIO = "(float[1,1800] sample) => (float[1,1,3] tokens) { shape = Constant<value_ints=[1,1,3,600]>() \n"
AUDIO += "parts = Reshape(sample, shape) \n axes = Constant<value_ints=[3]>() \n loud = Abs(parts) \n"
AUDIO += "tokens = ReduceMean<keepdims=0>(loud, axes) }"
FUSION = "(float[1,1,3] vision, float[1,1,3] audio, float[1,2] presence) => (float[1,3] digit) {\n"
FUSION += "two = Constant<value_ints=[2]>() \n wide = Unsqueeze(presence, two) \n"
FUSION += "all = Concat<axis=1>(vision, audio) \n kept = Mul(all, wide) \n one = Constant<value_ints=[1]>() \n"
FUSION += "sum = ReduceSum<keepdims=0>(kept, one) \n sharp = Constant<value_float=10.0>() \n digit = Mul(sum, sharp) }"
CONFIG = ModelConfig(
    modalities={"vision": ImageInput(height=8, width=8), "audio": SoundInput(samples=1800)},
    heads={"digit": ClassesHead(labels=LABELS)},
)
SPECS = {
    "vision": ([("sample", (1, 3, 8, 8))], [("tokens", (1, 1, 3))]),
    "audio": ([("sample", (1, 1800))], [("tokens", (1, 1, 3))]),
    "fusion": ([("vision", (1, 1, 3)), ("audio", (1, 1, 3)), ("presence", (1, 2))], [("digit", (1, 3))]),
}


def graphs() -> dict[str, tuple[GraphEntry, bytes]]:
    return {name: (_entry(name), model(name)) for name in SPECS}


def model(name: str) -> bytes:
    text = {"vision": VISION, "audio": AUDIO, "fusion": FUSION}[name]
    parsed = onnx.parser.parse_model(f"{HEADER} {name} {text}")
    onnx.checker.check_model(parsed)
    return bytes(parsed.SerializeToString())


def _entry(name: str) -> GraphEntry:
    inputs, outputs = ([TensorSpec(name=n, dtype="float32", shape=s) for n, s in side] for side in SPECS[name])
    return GraphEntry(file=f"model/{name}.onnx", backend="onnxruntime", inputs=tuple(inputs), outputs=tuple(outputs))


def examples(n: int = 30, *, noise: float = 0.4, seed: int = 0) -> Examples:
    """Pictures and sounds of three classes; every tenth example has no sound."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    hot = np.eye(CLASSES)[labels]
    pictures = np.clip(hot + rng.normal(0, noise, (n, CLASSES)), 0, 1) * 255
    sounds = np.clip(hot + rng.normal(0, noise, (n, CLASSES)), 0, 1).repeat(600, axis=1)
    names = tuple(map(str, range(n)))
    images = np.broadcast_to(pictures[:, None, None, :], (n, 8, 8, CLASSES)).astype(np.uint8)
    pools = {
        "vision": Pool(images, labels, names, names),
        "audio": Pool(sounds.astype(np.float32), labels, names, names),
    }
    rows = np.arange(n)
    return Examples(pools, {"vision": rows, "audio": np.where(rows % 10 == 9, -1, rows)}, labels)
