"""Spoken digits ``{digit}_{speaker}_{index}``; group = speaker.

The set: https://github.com/Jakobovski/free-spoken-digit-dataset.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.folders import files_of, find_folder
from sensorium_compile.data.readers.options import LabelledOptions, Options
from sensorium_compile.data.readers.prepared import SOUND_SUFFIXES, need_sound, pool_of, sound_at

_NAME = re.compile(r"^([^_]+)_(.+)_(\d+)$")
_LAYOUT = "DIGIT_SPEAKER_INDEX.flac, e.g. 7_jackson_0.flac"


class FsddOptions(LabelledOptions):
    """``folders`` are what the names begin with, one a label; by default 0, 1, 2, …."""

    path: str = "fsdd"


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """All clips, at the spec's rate; raises CompileError when the layout is not there."""
    chosen, sound = options.parse(FsddOptions), need_sound(spec, "fsdd")
    found = find_folder(folder, chosen.path, lambda f: any(map(_parts, files_of(f, SOUND_SUFFIXES)[:20])), _LAYOUT)
    words = chosen.folders or tuple(map(str, range(len(labels))))
    files, paths = [], []
    for path in files_of(found, SOUND_SUFFIXES):
        parts = _parts(path)
        if parts is None or (words and parts[0] not in words):
            options.told.counts.add("label unknown", path.name)
            continue
        files.append((path.name, words.index(parts[0]) if words else -1, parts[1]))
        paths.append(path)
    return pool_of(files, sound, lambda i: sound_at(paths[i], sound), options.told, "sounds")


def _parts(path: Path) -> tuple[str, str] | None:
    match = _NAME.match(path.stem)
    return (match.group(1), match.group(2)) if match else None
