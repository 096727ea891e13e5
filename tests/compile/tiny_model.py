"""A learned model small enough to open in a test: what it answers can be told in the head.

A picture's class is its brightest channel, a sound's the loudest third; the fusion adds what is present.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser

from sensorium.bundle import GraphEntry, Origin, TensorSpec
from sensorium.inputs import ImageInput, SoundInput
from sensorium.learned import ClassesHead, ModelConfig
from sensorium_compile.data.examples import Examples, Pool
from sensorium_compile.draft import GraphDraft, PartDraft

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


RECIPE = """
name = "tiny"
[head]
name = "digit"
labels = ["red", "green", "blue"]
[modalities.vision]
input = { kind = "image", height = 8, width = 8 }
reader = "image_folders"
path = "pictures"
[modalities.audio]
input = { kind = "sound", samples = 1800 }
reader = "audio_folders"
path = "sounds"
[teacher]
width = 8
fusion = { kind = "late" }
towers = { vision = { name = "none" }, audio = { name = "none" } }
training = { steps = 1 }
[student]
width = 8
fusion = { kind = "late" }
towers = { vision = { name = "none" }, audio = { name = "none" } }
training = { steps = 1 }
"""


def part(**changes: Any) -> PartDraft:
    drafts = {name: GraphDraft(model(name)) for name in SPECS}
    told = {
        "role": "model",
        "graphs": drafts,
        "files": {"recipe": ("recipe.toml", RECIPE.encode())},
        "config": CONFIG.model_dump(mode="json"),
        "origins": (Origin(package="none", file="made here", sha256="0" * 64, licence="Apache-2.0"),),
    }
    return PartDraft(**(told | changes))


def write_data(folder: Path, per_class: int = 12, seed: int = 0) -> None:
    """Pictures and sounds of each class, as files; some of each show another class."""
    import cv2
    import soundfile

    rng = np.random.default_rng(seed)
    for index, label in enumerate(LABELS):
        for kind in ("pictures", "sounds"):
            (folder / kind / label).mkdir(parents=True)
        for number in range(per_class):
            shown = index if number % 4 else (index + 1) % CLASSES
            image = rng.integers(0, 120, (32, 32, CLASSES))
            image[..., shown] += 120
            cv2.imwrite(str(folder / "pictures" / label / f"{number}.png"), image[..., ::-1].astype(np.uint8))
            heard = index if number % 3 else (index + 1) % CLASSES
            sound = rng.uniform(-0.2, 0.2, 1800)
            sound[heard * 600 : (heard + 1) * 600] *= 4
            soundfile.write(folder / "sounds" / label / f"{number}.wav", sound, 16_000)
