"""What the scene's command lines share: teachers, students and bundles, opened to be measured."""

from pathlib import Path

from sensorium.bundle import Bundle
from sensorium.learned.config import parse_config
from sensorium_compile.convert.efficientnet import VARIANTS
from sensorium_compile.errors import CompileError
from sensorium_compile.model import MultimodalModel
from sensorium_compile.parts.classifier import CROP_PADDING
from sensorium_compile.parts.detector import coco_names
from sensorium_compile.parts.embedder import COCO
from sensorium_compile.scene.checkpoint import load_scene
from sensorium_compile.scene.evaluate import Embed, Looker
from sensorium_compile.scene.model import STUDENT, TEACHER, build_teacher
from sensorium_compile.scene.texts import TextSpace
from sensorium_compile.verify.bundles import find_model
from sensorium_compile.verify.eager import open_eager
from sensorium_compile.verify.opened import OpenedModel
from sensorium_compile.zoo import Weights

YAMNET, CLASS_MAP = "yamnet.tflite", "yamnet_class_map.csv"
# The teacher looks at photos as its own project does (preprocessing.py of EfficientNet-Lite).
TEACHER_CROP = VARIANTS["lite2"].size / (VARIANTS["lite2"].size + CROP_PADDING)


def teacher_of(folder: Path) -> MultimodalModel:
    """Both teachers, from the zoo and from the folder of YAMNet's files."""
    weights = Weights()
    return build_teacher(weights, folder / YAMNET, folder / CLASS_MAP, TextSpace(weights))


def lookers(
    teacher: Path | None, checkpoint: Path | None, bundle: Path | None
) -> tuple[Embed, tuple[str, ...], dict[str, Looker]]:
    """The text space, COCO's names, and each form that was asked for."""
    weights = Weights()
    space = TextSpace(weights)
    found: dict[str, Looker] = {}
    if teacher is not None:
        found["teacher"] = Looker(open_eager(teacher_of(teacher), TEACHER.inputs), TEACHER.inputs, TEACHER_CROP)
    if checkpoint is not None:
        found["student"] = Looker(open_eager(load_scene(checkpoint), STUDENT.inputs), STUDENT.inputs)
    if bundle is not None:
        part = find_model(Bundle(bundle))
        found["shipped"] = Looker(OpenedModel.of_part(part), parse_config(part).modalities)
    if not found:
        raise CompileError("nothing to measure: give --teacher, --checkpoint or --bundle")
    return space, coco_names(weights.path(COCO).read_text("utf-8")), found
