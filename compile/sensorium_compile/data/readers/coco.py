"""COCO photos beside a ``labels.json`` of boxes, captions and licences: ``{split}2017/{id}.jpg``.

``photos`` gives all that is written about them; the reader gives pictures labelled by the class that covers most.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sensorium.errors import first_fault
from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.folders import find_folder
from sensorium_compile.data.readers.options import Options
from sensorium_compile.data.readers.prepared import image_at, need_image, pool_of
from sensorium_compile.errors import CompileError


class CocoOptions(BaseModel):
    """Which photos."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "coco256"
    split: str = ""  # train2017, val2017; "" for all
    licences: tuple[str, ...] = ()  # only photos whose licence address holds one of these, e.g. "/by/"; () for all


class CocoPhoto(BaseModel):
    """What labels.json says about a photo."""

    model_config = ConfigDict(frozen=True)

    split: str
    boxes: tuple[
        tuple[int, float, float, float, float], ...
    ] = ()  # class of COCO's 80, centre x, y, width, height: 0..1
    captions: tuple[str, ...] = ()
    licence: str = ""

    @property
    def largest(self) -> int:
        """The class whose boxes cover most, -1 where there is none."""
        areas: dict[int, float] = {}
        for kind, _, _, width, height in self.boxes:
            areas[kind] = areas.get(kind, 0.0) + width * height
        return max(areas, key=lambda k: (areas[k], -k), default=-1)


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """The photos; label = index into COCO's 80 classes of what covers most (-1 without ``labels``); group = photo."""
    chosen, image = options.parse(CocoOptions), need_image(spec, "coco")
    root, found = photos(folder, chosen.path)
    names = [name for name, photo in found.items() if _wanted(photo, chosen)]
    paths = [root / found[name].split / f"{name}.jpg" for name in names]
    files = [(f"{found[n].split}/{n}.jpg", found[n].largest if labels else -1, n) for n in names]
    return pool_of(files, image, lambda i: image_at(paths[i], image), options.told, "photos")


def photos(data: Path, path: str = "coco256") -> tuple[Path, dict[str, CocoPhoto]]:
    """The set's folder, and by the photo's name what is known of it; raises CompileError."""
    root = find_folder(data, path, lambda f: (f / "labels.json").is_file(), "labels.json beside train2017 and val2017")
    try:
        found = TypeAdapter(dict[str, CocoPhoto]).validate_json((root / "labels.json").read_bytes())
    except ValidationError as err:
        raise CompileError(f"{root / 'labels.json'}: {first_fault(err, 'the whole')}") from err
    return root, dict(sorted(found.items()))


def _wanted(photo: CocoPhoto, chosen: CocoOptions) -> bool:
    licensed = not chosen.licences or any(part in photo.licence for part in chosen.licences)
    return licensed and chosen.split in ("", photo.split)
