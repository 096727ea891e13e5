"""The cache of pulled files: a folder laid out by plain names, so that copying it to another machine works.

``<folder>/<entry>/<file>``, e.g. ``weights/silero-vad/silero_vad.onnx``.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import platformdirs

from sensorium.bundle import Origin
from sensorium_compile.zoo.catalogue import Entry, find, load_zoo
from sensorium_compile.zoo.errors import PullError

HOME_VARIABLE = "SENSORIUM_HOME"


def default_folder() -> Path:
    """``$SENSORIUM_HOME/weights``, else ``weights`` in the user's cache folder for sensorium."""
    home = os.environ.get(HOME_VARIABLE) or platformdirs.user_cache_dir("sensorium", appauthor=False)
    return Path(home).expanduser() / "weights"


class Weights:
    """The weight files that were pulled. Every file's sha256 is checked before its path is handed out."""

    def __init__(self, folder: str | Path | None = None, zoo: Sequence[Entry] | None = None) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self.zoo = load_zoo() if zoo is None else tuple(zoo)
        self._checked: dict[Path, tuple[int, int, str]] = {}  # size, mtime_ns, sha256

    def entry(self, name: str) -> Entry:
        """What the zoo says about it."""
        return find(self.zoo, name)

    def origin(self, name: str) -> Origin:
        """Where it comes from, for a bundle's manifest."""
        return self.entry(name).origin

    def path(self, name: str) -> Path:
        """The pulled file. Raises PullError where it is missing or damaged."""
        entry = self.entry(name)
        if not self.holds(entry):
            file = self.place(entry)
            state = "damaged (its sha256 differs)" if file.exists() else "not here yet"
            raise PullError(f"{name} is {state} in {self.folder}; run: sensorium pull {name}")
        return self.place(entry)

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of these names whose file is not here or is damaged."""
        return tuple(name for name in names if not self.holds(self.entry(name)))

    def holds(self, entry: Entry) -> bool:
        """Whether the entry's file is here with the right content."""
        try:
            return self._sha256(self.place(entry), entry.size) == entry.sha256
        except OSError:
            return False

    def place(self, entry: Entry) -> Path:
        """Where the entry's file belongs, whether it is there or not."""
        return self.folder / entry.name / entry.file_name

    def _sha256(self, file: Path, size: int) -> str:
        stat = file.stat()
        if stat.st_size != size:
            return ""
        known = self._checked.get(file)
        if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            known = self._checked[file] = (stat.st_size, stat.st_mtime_ns, digest)
        return known[2]
