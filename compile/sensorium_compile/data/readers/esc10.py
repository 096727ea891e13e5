"""ESC-10 in folders, ``dog_bark/FOLD-ID-TAKE.flac`` (https://github.com/karolpiczak/ESC-50); group = fold."""

from collections.abc import Sequence
from pathlib import Path

from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.audio_folders import AudioFolderOptions, read_audio_folders
from sensorium_compile.data.readers.options import Options


class Esc10Options(AudioFolderOptions):
    """As for folders of sound, of that set."""

    path: str = "esc10"
    group: str = r"^(\d+)-"  # takes of one recording are in one fold


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """All clips; groups are ``1`` to ``5``."""
    return read_audio_folders(folder, spec, labels, options, options.parse(Esc10Options))
