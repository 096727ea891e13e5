"""Faults on purpose: what can go wrong with a source, when, and how a user writes it down.

camera:blocked@10s+5s     ten seconds after the source was first opened, for five seconds
mic:muted@1.5m            until the end
smell:nan@500ms+2s        a sensor, by its modality
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.errors import SourceError, unknown


class Kind(StrEnum):
    """What goes wrong. The first ten are how samples come, the others what is in them."""

    END = "end"  # the stream ends, and cannot be opened until the fault is over
    BLOCKED = "blocked"  # a read waits; closing ends the wait
    HUNG = "hung"  # a read waits, whatever is done, as in a kernel's driver
    EXCEPTION = "exception"  # a read raises what a driver raises: OSError, EIO
    SLOW = "slow"  # a sample takes four periods
    JITTER = "jitter"  # a sample is late by up to a period
    BURST = "burst"  # nothing, then ten samples at once
    DUPLICATE = "duplicate"  # the capture time stands still
    BACKWARD = "backward"  # the capture time runs back
    JUMP = "jump"  # the capture time is off by between ten seconds and an hour, either way
    DARK = "dark"
    BRIGHT = "bright"  # over-exposed
    COVERED = "covered"  # a finger on the lens
    MUTED = "muted"
    CLIPPED = "clipped"
    FROZEN = "frozen"  # the same content again and again
    NOISE = "noise"
    NAN = "nan"  # some samples of the sound, or a whole reading
    SHAPE = "shape"  # a grey picture, half a chunk of sound, a value too few


_ALWAYS = frozenset(list(Kind)[:10])
_READINGS = _ALWAYS | {Kind.FROZEN, Kind.NOISE, Kind.NAN, Kind.SHAPE}
_BY_MODALITY = {
    "vision": _ALWAYS | {Kind.DARK, Kind.BRIGHT, Kind.COVERED, Kind.FROZEN, Kind.NOISE, Kind.SHAPE},
    "audio": _READINGS | {Kind.MUTED, Kind.CLIPPED},
    "text": _ALWAYS,
}
SOURCES = {"camera": "vision", "mic": "audio", "text": "text"}  # as the options are called; others are sensors
_NAMES = {modality: source for source, modality in SOURCES.items()}
_UNITS_NS = {"ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S}
_TIME = r"(\d+(?:\.\d+)?)(ms|s|m)"
_WRITTEN = re.compile(rf"(\w+):(\w+)@{_TIME}(?:\+{_TIME})?", re.ASCII)


def kinds(modality: str) -> frozenset[Kind]:
    """What can go wrong with a source of this modality: sound is never dark."""
    return _BY_MODALITY.get(modality, _READINGS)


def source_name(modality: str) -> str:
    """What a user calls this modality's source: ``camera``, ``mic``, ``text``, or the sensor's modality."""
    return _NAMES.get(modality, modality)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one modality's source. ``Fault.parse(str(fault)) == fault``."""

    modality: str
    kind: Kind
    start_ns: int  # after the source was first opened
    duration_ns: int | None = None  # None: until the end

    def __post_init__(self) -> None:
        if self.kind not in kinds(self.modality):
            raise SourceError(unknown(f"fault of {self.source}", self.kind, kinds(self.modality)))
        if self.duration_ns == 0:
            raise SourceError(f"a fault lasts longer than nothing; given {self}")

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """``SOURCE:KIND@START+DURATION``; raises SourceError that says what is allowed."""
        written = _WRITTEN.fullmatch(text.strip())
        if written is None:
            raise SourceError(
                f"a fault is SOURCE:KIND@START+DURATION in ms, s or m, e.g. camera:blocked@10s+5s; given {text!r}"
            )
        source, kind, start, start_unit, duration, duration_unit = written.groups()
        if source in _NAMES and source not in SOURCES:
            raise SourceError(f"a fault of {source} is written {_NAMES[source]}:...; given {text!r}")
        modality = SOURCES.get(source, source)
        if kind not in kinds(modality):
            raise SourceError(unknown(f"fault of {source}", kind, kinds(modality)))
        duration_ns = None if duration is None else _ns(duration, duration_unit)
        return cls(modality, Kind(kind), _ns(start, start_unit), duration_ns)

    @property
    def source(self) -> str:
        """As a user calls it."""
        return source_name(self.modality)

    @property
    def end_ns(self) -> int | None:
        """When it is over, after the source was first opened; None: never."""
        return None if self.duration_ns is None else self.start_ns + self.duration_ns

    def active(self, at_ns: int) -> bool:
        """Whether it is there so long after the source was first opened."""
        return self.start_ns <= at_ns and (self.end_ns is None or at_ns < self.end_ns)

    def __str__(self) -> str:
        lasting = "" if self.duration_ns is None else f"+{_written(self.duration_ns)}"
        return f"{self.source}:{self.kind}@{_written(self.start_ns)}{lasting}"


class Schedule:
    """Which of a source's faults are there; asked for every sample, so it looks again only when one begins or ends."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults
        ends = (fault.end_ns for fault in faults if fault.end_ns is not None)
        self._changes = sorted({*(fault.start_ns for fault in faults), *ends})
        self._active: tuple[Fault, ...] = ()
        self._place = 0  # how many changes lie behind

    def at(self, at_ns: int) -> tuple[Fault, ...]:
        """The faults that are active so long after the source was first opened."""
        place = bisect_right(self._changes, at_ns)
        if place != self._place:
            self._place = place
            self._active = tuple(fault for fault in self._faults if fault.active(at_ns))
        return self._active


def _ns(number: str, unit: str) -> int:
    return int(Decimal(number) * _UNITS_NS[unit])


def _written(ns: int) -> str:
    """In the largest unit that it is a whole number of, else in milliseconds, exactly."""
    for unit in ("m", "s"):
        if ns and ns % _UNITS_NS[unit] == 0:
            return f"{ns // _UNITS_NS[unit]}{unit}"
    return f"{Decimal(ns) / NS_PER_MS:f}ms"
