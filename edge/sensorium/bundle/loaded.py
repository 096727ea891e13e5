"""Opening a bundle: a folder, or one zip file of it. Nothing in it is trusted before its hash was checked."""

import hashlib
import json
import platform
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from pydantic import JsonValue, ValidationError

from sensorium.backends import Graph, open_graph
from sensorium.bundle.archives import DAMAGE, read_arrays
from sensorium.bundle.manifest import SCHEMA_VERSION, GraphEntry, Manifest, PartEntry
from sensorium.errors import BundleError, first_fault, unknown
from sensorium.host import Host
from sensorium.samples import Array

MANIFEST = "manifest.json"
GOLDEN = "golden.npz"
MAX_MANIFEST_BYTES = 16 * 2**20  # ours has some 20 kB; more is no manifest
MOST_EXPANDED = 100  # times a zip file's size, of all that is in it: graphs shrink to a tenth, a bomb to a thousandth
CHUNK_BYTES = 2**20  # read at once to be hashed

_HOST_TARGETS = {"x86_64": "x86-cpu", "AMD64": "x86-cpu", "aarch64": "arm-cpu", "arm64": "arm-cpu"}


def host_target() -> str:
    """The target that this machine's processor is."""
    return _HOST_TARGETS.get(platform.machine(), platform.machine())


Locate = Callable[[str], "Path | bytes"]
Opener = Callable[[str, GraphEntry, Locate, int], Graph]  # part/graph, its entry, where files are, threads


def open_bare(name: str, entry: GraphEntry, locate: Locate, threads: int) -> Graph:
    """The graph with the backend it names, and nothing in its place where that fails."""
    return open_graph(entry, locate(entry.file), threads=threads)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an opened bundle: its settings, files and graphs."""

    name: str
    entry: PartEntry
    bundle: "Bundle"
    opener: Opener = open_bare

    @property
    def config(self) -> Mapping[str, JsonValue]:
        """Settings of the component; the component parses them."""
        return self.entry.config

    def read(self, name: str) -> bytes:
        """The content of one of the part's files."""
        if name not in self.entry.files:
            raise BundleError(f"part {self.name}: {unknown('file', name, self.entry.files)}")
        return self.bundle.read(self.entry.files[name])

    def graph(self, name: str = "model", *, threads: int = 0) -> Graph:
        """Open one of the part's graphs; ``threads`` 0 leaves the number to the backend."""
        if name not in self.entry.graphs:
            raise BundleError(f"part {self.name}: {unknown('graph', name, self.entry.graphs)}")
        return self.opener(f"{self.name}/{name}", self.entry.graphs[name], self.bundle.locate, threads)


class Bundle:
    """A bundle whose every file was checked against the manifest's sha256.

    Raises BundleError: no such file, no manifest, a newer schema, a wrong or missing file, a path that leaves
    the folder, or another target than ``target`` (default: this machine's; ``any``: to be looked at, not run).
    """

    def __init__(self, path: str | Path, *, target: str | None = None) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise BundleError(f"no bundle at {self.path}; 'sensorium compile companion' makes one")
        try:
            self._zip = None if self.path.is_dir() else zipfile.ZipFile(self.path)
        except DAMAGE as err:
            raise BundleError(f"{self.path} is no bundle: neither a folder nor a zip file ({err})") from err
        try:
            raw = self._read_raw(MANIFEST, MAX_MANIFEST_BYTES)
            self.manifest = _parse(raw, self.path)
            self.digest = hashlib.sha256(raw).hexdigest()
            self._check_target(target or host_target())
            self._check_files()
        except BundleError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Graphs that were opened stay open."""
        if self._zip is not None:
            self._zip.close()

    def part(self, name: str) -> Part:
        """The part of that name."""
        if name not in self.manifest.parts:
            raise BundleError(f"{self.path}: {unknown('part', name, self.manifest.parts)}")
        return Part(name, self.manifest.parts[name], self)

    def find(self, role: str) -> Part | None:
        """The first part with that role, or None."""
        return next(iter(self.find_all(role)), None)

    def find_all(self, role: str) -> list[Part]:
        """The parts with that role."""
        return [Part(name, entry, self) for name, entry in self.manifest.parts.items() if entry.role == role]

    def read(self, name: str) -> bytes:
        """The content of a file that the manifest names."""
        if name not in self.manifest.files:
            raise BundleError(f"{self.path}: {unknown('file', name, self.manifest.files)}")
        return self._read_raw(name, self.manifest.files[name].size)

    def locate(self, name: str) -> Path | bytes:
        """The file's path where the bundle is a folder, else its content: what a backend opens."""
        if self._zip is None and name in self.manifest.files:
            return self.path / name
        return self.read(name)

    def golden(self) -> dict[str, Array]:
        """Golden tensors by key ``part/graph/case/in|out/tensor``; empty where the bundle has none."""
        if GOLDEN not in self.manifest.files:
            return {}
        return read_arrays(self.read(GOLDEN), f"{self.path}: {GOLDEN}")

    def _check_target(self, target: str) -> None:
        made_for = self.manifest.target
        host = self.manifest.host
        here = host is not None and host.fits(Host.here()) and target == host_target()
        if "any" not in (made_for, target) and made_for != target and not here:
            raise BundleError(
                f"{self.path} was compiled for {made_for}, this is {target}; compile it again with --target {target}"
            )

    def _check_files(self) -> None:
        total = sum(entry.size for entry in self.manifest.files.values())
        if self._zip is not None and total > MOST_EXPANDED * self.path.stat().st_size:
            raise BundleError(f"{self.path}: holds {total:,} bytes; allowed are {MOST_EXPANDED} times its own size")
        for name, entry in self.manifest.files.items():
            if self._size_and_sha256(name, entry.size) != (entry.size, entry.sha256):
                raise BundleError(f"{self.path}: {name} is damaged (its sha256 differs); pack or copy the bundle again")
        graphs = [g for p in self.manifest.parts.values() for g in p.graphs.values()]
        for graph in graphs:
            known = self.manifest.files.get(graph.file)
            if graph.evidence and known and all(one.output_sha256 != known.sha256 for one in graph.evidence):
                raise BundleError(f"{self.path}: the evidence for {graph.file} is of another file; compile it again")
        used = {g.file for g in graphs} | {g.fallback.file for g in graphs if g.fallback is not None}
        used |= {f for p in self.manifest.parts.values() for f in p.files.values()}
        for name in sorted(used - set(self.manifest.files)):
            raise BundleError(f"{self.path}: {name} is used but has no sha256 in the manifest")

    def _size_and_sha256(self, name: str, limit: int) -> tuple[int, str]:
        """Of a file, or of its first bytes where it has more than ``limit``; it is never whole in memory."""
        size, total = 0, hashlib.sha256()
        with self._reading(name) as stream:
            while size <= limit and (data := stream.read(CHUNK_BYTES)):
                size += len(data)
                total.update(data)
        return size, total.hexdigest()

    def _read_raw(self, name: str, limit: int) -> bytes:
        with self._reading(name) as stream:
            return stream.read(limit + 1)

    @contextmanager
    def _reading(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._open(name) as stream:
                yield stream
        except (FileNotFoundError, KeyError) as err:
            raise BundleError(f"{self.path}: {name} is missing; pack or copy the bundle again") from err
        except DAMAGE as err:
            raise BundleError(f"{self.path}: {name} cannot be read: {err}") from err

    def _open(self, name: str) -> IO[bytes]:
        if self._zip is not None:
            return self._zip.open(name)
        full = self.path / name
        if not full.resolve().is_relative_to(self.path.resolve()):
            raise BundleError(f"{self.path}: {name} is a link that leaves the bundle's folder")
        return full.open("rb")


def _parse(raw: bytes, path: Path) -> Manifest:
    try:
        version = json.loads(raw).get("schema_version")
    except (ValueError, AttributeError, RecursionError) as err:
        raise BundleError(f"{path}: {MANIFEST} is no JSON object: {err}") from err
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise BundleError(f"{path}: schema {version}, this Sensorium reads up to {SCHEMA_VERSION}; upgrade Sensorium")
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as err:
        raise BundleError(f"{path}: {MANIFEST}: {first_fault(err)}") from err
