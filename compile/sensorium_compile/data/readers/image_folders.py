"""Pictures in folders named by their label, e.g. ``3/IMG_1121.jpg`` (Sign Language Digits)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.folders import labelled_folders
from sensorium_compile.data.readers.options import LabelledOptions, Options
from sensorium_compile.data.readers.prepared import image_at, need_image, pool_of
from sensorium_compile.data.readers.sequence import sequence_groups
from sensorium_devices.images import IMAGE_SUFFIXES


class ImageFolderOptions(LabelledOptions):
    """``group``: file (each is its own), folder, or sequence (persons by the camera's numbers)."""

    group: Literal["file", "folder", "sequence"] = "file"


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """All pictures; raises CompileError when the layout is not there."""
    chosen, image = options.parse(ImageFolderOptions), need_image(spec, "image_folders")
    _, found = labelled_folders(folder, chosen, labels, IMAGE_SUFFIXES, options.told)
    names = [file.name for file in found]
    if chosen.group == "sequence":
        groups = sequence_groups(names, [file.label for file in found], max(len(labels), 1))
    else:
        groups = tuple(name.partition("/")[0] if chosen.group == "folder" else name for name in names)
    files = [(file.name, file.label, group) for file, group in zip(found, groups, strict=True)]
    return pool_of(files, image, lambda i: image_at(found[i].path, image), options.told, "pictures")
