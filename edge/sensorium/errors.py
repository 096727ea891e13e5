"""What can go wrong, in one tree. Every message says what was given, what is allowed and what to do.

SensoriumError
├── BundleError      a bundle that cannot be trusted or does not fit
├── BackendError     a graph that cannot be opened or run
├── SampleError      a sample that is no sample (shape, type, NaN)
├── SourceError      a device or file that cannot be opened or was lost
├── SinkError        a speaker or file that cannot be written
├── RecordingError   a recording that cannot be read
├── LadderError      a ladder that makes no sense
├── PrivacyError     a privacy policy that makes no sense, or forbids what was asked
└── TargetError      a target that there is no profile of, or whose profile is wrong
"""

import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pydantic import ValidationError


class SensoriumError(Exception):
    """Root of every error that Sensorium raises on purpose."""


class BundleError(SensoriumError):
    """The bundle is missing, damaged, unsafe, too new, or made for another target."""


class BackendError(SensoriumError):
    """No backend opens this graph, or the one that did failed while running it."""


class SampleError(SensoriumError, ValueError):
    """A sample has the wrong shape, type, rate or content."""


class SourceError(SensoriumError):
    """A source cannot be opened, or was lost; its modality is absent until it returns."""


class SinkError(SensoriumError):
    """A sink (speaker, file) cannot be opened or written."""


class RecordingError(SensoriumError):
    """A recording cannot be read."""


class PrivacyError(SensoriumError):
    """A privacy policy cannot be read, or forbids what was asked for."""


class LadderError(SensoriumError):
    """A table of rungs cannot be read, or has a session swing or never come back."""


class TargetError(SensoriumError):
    """No such target, or its profile cannot be read."""


Known: TypeAlias = Callable[[Sequence[str]], Iterable[str]]  # the keys that a table has, by the path to it

_NO_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_GIVEN = reprlib.Repr()
_GIVEN.maxstring = _GIVEN.maxother = _GIVEN.maxlong = 200


def told(given: object) -> str:
    """A value as a message shows it: cut where it is long, or nested deeply."""
    return _GIVEN.repr(given)


def first_fault(err: "ValidationError", root: str = "", known: Known | None = None) -> str:
    """The first thing that pydantic found wrong: the key (``root`` where it is the whole), what, and what was given."""
    first = err.errors()[0]
    path = [str(part) for part in first["loc"]]
    where = ".".join(path) or root
    if first["type"] in _NO_KEY and known is not None and (keys := tuple(known(path[:-1]))):
        return f"no key {where!r}; known there: {', '.join(keys)}"
    shown = "" if isinstance(first["input"], dict | list | bytes) else f"; given {told(first['input'])}"
    return f"{where}: {first['msg']}{shown}"


def unknown(kind: str, given: object, known: Iterable[object]) -> str:
    """The sentence for a name that does not exist, e.g. ``no target 'hedset'; known: headset, kiosk``."""
    return f"no {kind} {str(given)!r}; known: {', '.join(sorted(map(str, known)))}"
