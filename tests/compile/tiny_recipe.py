"""A recipe that teaches and distils in a second, with the data of ``tiny_model.write_data``."""

from sensorium_compile.data.load import Data
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import build_model
from sensorium_compile.recipe import ModelRecipe, parse_recipe
from sensorium_compile.train.loop import Run
from sensorium_compile.train.run import sampler
from sensorium_compile.train.teach import distil

TEXT = """
name = "tiny"
plugins = ["tests.compile.tiny_tower"]

[head]
name = "digit"
labels = ["red", "green", "blue"]

[modalities.vision]
input = { kind = "image", height = 16, width = 16 }
reader = "image_folders"
path = "pictures"

[modalities.audio]
input = { kind = "sound", samples = 1800 }
reader = "audio_folders"
path = "sounds"

[split]
share = 0.3

[teacher]
width = 16
fusion = { kind = "cross", heads = 2 }
[teacher.towers]
vision = { name = "convnet", channels = [8, 16] }
audio = { name = "tiny_sound" }
[teacher.training]
steps = 8
batch = 8
learning_rate = 5e-3

[student]
width = 8
fusion = { kind = "cross", heads = 2 }
[student.towers]
vision = { name = "convnet", channels = [8, 8] }
audio = { name = "tiny_sound" }
[student.training]
steps = 6
batch = 8
learning_rate = 5e-3
"""


def changed(*changes: tuple[str, str]) -> str:
    """The recipe's text with each first string replaced by the second one."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def recipe(*changes: tuple[str, str]) -> ModelRecipe:
    made = parse_recipe(changed(*changes), "tiny")
    assert isinstance(made, ModelRecipe)
    return made


def distilled(tiny: ModelRecipe, data: Data, teacher: MultimodalModel, run: Run) -> MultimodalModel:
    """The recipe's student as it is before its weights are rounded."""
    student = build_model(tiny, tiny.student, None)
    options = tiny.student.training
    distil(student, teacher, tiny.head.name, sampler(tiny, data, options), options, tiny.distil, run)
    return student
