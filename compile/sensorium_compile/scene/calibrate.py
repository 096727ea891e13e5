"""What static int8 must know of the scene model's activations, from photos and sounds that may train what ships."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sensorium.inputs import ImageInput, SoundInput, prepare_image, prepare_sound, to_batch
from sensorium.samples import Array
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Feeds, backends, lower, missing, precisions
from sensorium_compile.model import MultimodalModel
from sensorium_compile.parts.scene import exportables
from sensorium_compile.scene.model import ScenePlan
from sensorium_devices.images import read_image
from sensorium_devices.sound import read_audio

PHOTOS = ("photos/grocerystore", "photos/clothing", "photos/tf_flowers", "photos/coco_ccby")  # licences: data/README
COUNT = 96  # of each sense: ranges no longer widen much


def calibrated(model: MultimodalModel, plan: ScenePlan, data: Path, sounds: Sequence[Path]) -> Calibration:
    """Ranges of every graph for each backend that is installed here and asks for some."""
    calibration = Calibration(feeds(model, plan, photo_files(data), sounds))
    for backend in backends():
        static = [p for p in precisions(backend) if "static" in p] if missing(backend) is None else []
        for graph in exportables(model, plan).values():
            for precision in static[:1]:
                lower(backend, graph, precision, calibration)
    return calibration


def feeds(
    model: MultimodalModel, plan: ScenePlan, photos: Sequence[Path], sounds: Sequence[Path]
) -> dict[str, list[Feeds]]:
    """Of every graph; the fusion's have each sense missing in turn."""
    image, sound = plan.inputs["vision"], plan.inputs["audio"]
    assert isinstance(image, ImageInput)
    assert isinstance(sound, SoundInput)
    seen: list[Array] = [to_batch(prepare_image(read_image(p), image)[None], image) for p in _some(photos)]
    heard: list[Array] = [
        to_batch(prepare_sound(read_audio(p, sound.rate_hz)[0], sound)[None], sound) for p in _some(sounds)
    ]
    fused: list[Feeds] = []
    for i, (picture, clip) in enumerate(zip(seen, heard, strict=False)):
        with torch.no_grad():
            tokens = model.tokens({"vision": torch.from_numpy(picture), "audio": torch.from_numpy(clip)})
        presence = np.array([[i % 3 != 0, i % 3 != 1]], np.float32)
        fused.append({**{name: made.numpy() for name, made in tokens.items()}, "presence": presence})
    return {"vision": [{"sample": x} for x in seen], "audio": [{"sample": x} for x in heard], "fusion": fused}


def photo_files(data: Path) -> list[Path]:
    """Photos whose licences let them train what ships."""
    found = [path for folder in PHOTOS for path in sorted((data / folder).glob("**/*.jpg"))]
    if not found:
        raise CompileError(f"no photo in {', '.join(PHOTOS)} of {data}; correct --data")
    return found


def _some(files: Sequence[Path]) -> list[Path]:
    """COUNT of them, evenly."""
    return [files[i * len(files) // min(COUNT, len(files))] for i in range(min(COUNT, len(files)))]
