"""The zoo as data (``zoo.toml``): which real weights there are, where from, and what each must hash to."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.bundle import Origin
from sensorium.bundle.manifest import InnerPath, Sha256
from sensorium.errors import first_fault, unknown
from sensorium_compile.zoo.errors import PullError

ZOO_FILE = Path(__file__).with_name("zoo.toml")
COMPANION = "companion"  # the group that the companion bundle is built from
ALL = "all"

Registry = Literal["pypi", "npm"]
PlainName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]  # is a folder's name in the cache
Pinned = Annotated[str, Field(pattern=r"^[@A-Za-z0-9][A-Za-z0-9._/-]*==[A-Za-z0-9][A-Za-z0-9.+-]*$")]

_REGISTRY_NAMES = {"pypi": "PyPI", "npm": "npm"}


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Data):
    """What the files of one package have in common."""

    role: PlainName | Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    group: Annotated[tuple[PlainName, ...], Field(min_length=1)]  # what it is pulled with
    registry: Registry
    package: Pinned  # "silero-vad==6.2.3"
    size: Annotated[int, Field(gt=0)]  # bytes
    licence: str  # SPDX expression where there is one
    url: str = ""  # the project that made it
    note: str = ""
    apart: bool = False  # large and seldom wanted: pulled by its name, role or group, not by ``all``
    # Wheels for one platform or Python only: their tags, so that any machine gets the same file.
    platform: str | None = None  # "manylinux_2_28_x86_64"
    python: str | None = None  # "3.11"


class Entry(_Source):
    """One weight or data file inside one version of one package."""

    name: PlainName
    path: InnerPath  # inside the wheel, or inside the npm package's folder
    sha256: Sha256
    # Photos and recordings:
    labels: tuple[str, ...] = ()  # true name and accepted synonyms
    transcript: str = ""
    credit: str = ""

    @property
    def file_name(self) -> str:
        """The file's own name, as it is called in the cache."""
        return PurePosixPath(self.path).name

    @property
    def origin(self) -> Origin:
        """What a bundle says about it."""
        return Origin(
            package=f"{_REGISTRY_NAMES[self.registry]} {self.package}",
            file=self.path,
            sha256=self.sha256,
            licence=self.licence,
            url=self.url,
        )


class _Alike(_Source):
    """Many files of one package, alike but for path and sha256: an entry each."""

    prefix: PlainName  # an entry's name is this and its file's stem
    files: dict[InnerPath, Sha256]

    def entries(self) -> Iterator[Entry]:
        """In their order."""
        shared = {name: getattr(self, name) for name in _Source.model_fields}
        for path, sha256 in self.files.items():
            yield Entry(name=self.prefix + PurePosixPath(path).stem, path=path, sha256=sha256, **shared)


class _Catalogue(_Data):
    file: tuple[Entry, ...]
    alike: tuple[_Alike, ...] = ()


def load_zoo(path: Path = ZOO_FILE) -> tuple[Entry, ...]:
    """The entries of a zoo file, in its order. Raises PullError where it is none, or names one twice."""
    try:
        told = _Catalogue.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        entries = (*told.file, *(entry for alike in told.alike for entry in alike.entries()))
    except ValidationError as err:
        raise PullError(f"zoo {path}: {first_fault(err)}") from err
    except (OSError, ValueError) as err:
        raise PullError(f"zoo {path} cannot be read: {err}") from err
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PullError(f"zoo {path}: named twice: {', '.join(twice)}")
    return entries


def find(zoo: Iterable[Entry], name: str) -> Entry:
    """The entry of that name."""
    zoo = tuple(zoo)
    for entry in zoo:
        if entry.name == name:
            return entry
    raise PullError(unknown("weight", name, (entry.name for entry in zoo)))


def choose(zoo: Sequence[Entry], wanted: Iterable[str]) -> tuple[Entry, ...]:
    """The entries that ``wanted`` means, each once, in the zoo's order: names, roles, groups, or ``all``.

    ``all`` leaves out what is kept ``apart``.
    """
    asked = set(wanted)
    words = {word for entry in zoo for word in _words(entry)}
    if asked - words - {ALL}:
        given = sorted(asked - words)[0]
        raise PullError(unknown("weight, role or group", given, words | {ALL}))
    return tuple(entry for entry in zoo if (ALL in asked and not entry.apart) or asked & set(_words(entry)))


def _words(entry: Entry) -> tuple[str, ...]:
    return (entry.name, entry.role, *entry.group)
