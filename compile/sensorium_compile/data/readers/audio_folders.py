"""Sound files in folders named by their label, e.g. ``rain/2-87781-A.flac``."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, field_validator

from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.folders import labelled_folders
from sensorium_compile.data.readers.options import LabelledOptions, Options
from sensorium_compile.data.readers.prepared import SOUND_SUFFIXES, need_sound, pool_of, sound_at


class AudioFolderOptions(LabelledOptions):
    """``group``: a regular expression whose first group in the file's name is the sample's group; "" for the file."""

    group: str = ""
    stride_s: float = Field(default=0.0, ge=0)  # 0: the loudest stretch of each file, else one every so often

    @field_validator("group")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as err:
            raise ValueError(f"{pattern!r} is no regular expression ({err})") from err
        if pattern and groups != 1:
            raise ValueError(f"{pattern!r} must have one group in parentheses")
        return pattern


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """All sounds; raises CompileError when the layout is not there."""
    return read_audio_folders(folder, spec, labels, options, options.parse(AudioFolderOptions))


def read_audio_folders(
    folder: Path, spec: InputSpec, labels: Sequence[str], options: Options, chosen: AudioFolderOptions
) -> Pool:
    """The same with checked options: what readers of one set build on."""
    sound = need_sound(spec, "audio_folders")
    _, found = labelled_folders(folder, chosen, labels, SOUND_SUFFIXES, options.told)
    files = [(file.name, file.label, _group(file.name, chosen.group)) for file in found]
    return pool_of(files, sound, lambda i: sound_at(found[i].path, sound, chosen.stride_s), options.told, "sounds")


def _group(name: str, pattern: str) -> str:
    match = re.search(pattern, name.rpartition("/")[2]) if pattern else None
    return match.group(1) if match else name
