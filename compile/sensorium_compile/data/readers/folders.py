"""Finding the set in the data folder that was given, and its labelled files."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from sensorium_compile.data.readers.options import LabelledOptions
from sensorium_compile.data.told import Told
from sensorium_compile.errors import CompileError


class Labelled(NamedTuple):
    """A file and the index of its label; -1 where the recipe has no labels."""

    path: Path
    label: int
    name: str  # relative to the set's folder: the same on every machine


def find_folder(data: Path, path: str, looks_right: Callable[[Path], bool], layout: str) -> Path:
    """``data/path``, or ``data`` itself when that is the set; raises CompileError telling the layout wanted."""
    if not data.is_dir():
        raise CompileError(f"no data folder {data}; give the folder that holds {path or layout} by --data")
    wanted = data / path
    for folder in (wanted, data):
        if folder.is_dir() and looks_right(folder):
            return folder
    reason = "is not there" if not wanted.is_dir() else "does not look like that"
    raise CompileError(
        f"{wanted} {reason}: a folder laid out as {layout} was looked for; put it there or correct --data"
    )


def labelled_folders(
    data: Path, options: LabelledOptions, labels: Sequence[str], suffixes: Collection[str], told: Told
) -> tuple[Path, list[Labelled]]:
    """The set's folder, and its files ``LABEL/FILE`` in the order of their names.

    Without ``labels`` every folder is read and no file has a label. A folder that no label names is counted as
    ``label unknown``; a label without a folder is an error, for a class that has no sample cannot be learned.
    """
    if options.folders and len(options.folders) != len(labels):
        raise CompileError(
            f"data folders: {len(options.folders)} folders for {len(labels)} labels; give one for each label, in order"
        )
    names = options.folders or tuple(labels)

    def looks_right(folder: Path) -> bool:
        if names:
            return any((folder / name).is_dir() for name in names)
        return any(files_of(sub, suffixes) for sub in folder.iterdir() if sub.is_dir())

    layout = f"{names[0] if names else 'LABEL'}/*{min(suffixes)}"
    folder = find_folder(data, options.path, looks_right, layout)
    missing = [name for name in names if not (folder / name).is_dir()]
    if missing:
        raise CompileError(f"{folder} has no folder for {', '.join(missing)}; each label has one, named like it")
    found: list[Labelled] = []
    for sub in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = files_of(sub, suffixes)
        if names and sub.name not in names:
            for path in files:
                told.counts.add("label unknown", _name(path, folder))
            continue
        label = names.index(sub.name) if names else -1
        found += [Labelled(path, label, _name(path, folder)) for path in files]
    if not found:
        raise CompileError(f"{folder} has no file laid out as {layout}")
    return folder, found


def files_of(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The folder's own files with one of these suffixes, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
