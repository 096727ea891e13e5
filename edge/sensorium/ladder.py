"""Trading quality for time: the rungs that a session can stand on; ``climb`` is the rule that moves between them.

A rung says what is given up on it, when it is entered and left, and how long a session stays on it. The table is data:
the one below, a TOML file of ``[[rung]]`` tables, or a part of role ``ladder`` in the bundle.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.errors import LadderError, first_fault

ROLE = "ladder"  # of a part of the bundle whose config is such a table
KEY = "rung"  # of the tables in TOML, and in the part's config

_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True, slots=True)
class Readings:
    """How the machine is doing. None: it does not tell, or not yet."""

    late_ms: float | None = None  # how late ticks are made, 95th percentile
    behind_ms: float | None = None  # how old a sample is when it is known what it shows, 95th percentile
    temperature_c: float | None = None  # of its hottest zone
    memory_free_mb: float | None = None  # 10^6 bytes that may be had before something is killed
    battery: float | None = None  # share of its charge
    on_mains: bool = False  # then the battery does not matter
    failures: int = 0  # of backends, in the last minute


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of readings. None: that reading does not matter."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    late_ms: _Positive | None = None
    behind_ms: _Positive | None = None
    temperature_c: float | None = None
    memory_free_mb: _Positive | None = None
    battery: _Share | None = None
    failures: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of degradation; each says all that is given up on it, not only what the one above does not."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1)]
    vision_period_ms: Annotated[float, Field(ge=0)] = 0.0  # at least so long between two pictures that are looked at
    variant: str = ""  # of the trained model, on smaller inputs; "": the model itself
    language_model: bool = True  # whether answers are said in other words
    speech_sentences: Annotated[int, Field(ge=0)] = 0  # of an answer that are said aloud; 0: all
    enter: Limits = Limits()  # entered where any reading is as bad as this
    leave: Limits = Limits()  # left where all readings are better than this; late_ms and behind_ms need not be for ever
    stay_s: Annotated[float, Field(ge=1)] = 5.0  # on it before the next change, so that it does not swing

    @property
    def vision_period_ns(self) -> int:
        """At least this long between two pictures [ns]."""
        return round(self.vision_period_ms * NS_PER_MS)

    @property
    def stay_ns(self) -> int:
        """At least this long on it [ns]."""
        return round(self.stay_s * NS_PER_S)


# Ticks later than 50 ms, a quarter of the default tick, have answers lag behind what they speak of. Drivers hand sound
# over in bursts of 200 ms and a picture takes up to 200 ms; half a second is neither. Processors slow themselves down
# between 80 °C (Raspberry Pi) and 99 °C (Jetson Orin); who is hot gives up one thing after the other.
LADDER = (
    Rung("full"),
    Rung(
        "plain words",
        language_model=False,
        enter=Limits(50.0, 500.0, 85.0, 200.0, 0.20),
        leave=Limits(25.0, 150.0, 80.0, 300.0, 0.25),
    ),
    Rung(
        "smaller pictures",
        variant="small",
        language_model=False,
        enter=Limits(50.0, 500.0, 87.0, None, 0.15, 3),
        leave=Limits(25.0, 150.0, 82.0, None, 0.20, 1),
    ),
    Rung(
        "fewer pictures",
        500.0,
        "small",
        False,
        enter=Limits(50.0, 500.0, 89.0, None, 0.15),
        leave=Limits(25.0, 150.0, 84.0, None, 0.20),
    ),
    Rung(
        "short answers",
        500.0,
        "small",
        False,
        1,
        enter=Limits(50.0, 500.0, 91.0, None, 0.10),
        leave=Limits(25.0, 150.0, 86.0, None, 0.15),
    ),
    Rung(
        "rare pictures",
        2000.0,
        "small",
        False,
        1,
        enter=Limits(50.0, 500.0, 93.0, 100.0, 0.05),
        leave=Limits(25.0, 150.0, 88.0, 150.0, 0.10),
    ),
)


@dataclass(frozen=True, slots=True)
class _Measure:
    """One reading: which way it is bad, and how it is told."""

    name: str
    worse: int  # 1: more is worse; -1: less is worse
    told: str
    scale: float = 1.0  # from the reading to the number that is told
    of_time: bool = False  # it depends on the rung, so that only a try tells what it is on another

    def tell(self, value: float) -> str:
        return self.told.format(value * self.scale)

    def reaches(self, value: float, limit: float) -> bool:
        """Whether the value is as bad as the limit."""
        return self.worse * value >= self.worse * limit


_MEASURES = (
    _Measure("late_ms", 1, "ticks {:.0f} ms late", of_time=True),
    _Measure("behind_ms", 1, "senses {:.0f} ms behind", of_time=True),
    _Measure("temperature_c", 1, "{:.0f} °C"),
    _Measure("memory_free_mb", -1, "{:.0f} MB of memory free"),
    _Measure("battery", -1, "battery at {:.0f} %", 100.0),
    _Measure("failures", 1, "{:.0f} failures of backends in a minute"),
)


def _value(readings: Readings, measure: _Measure) -> float | None:
    value: float | None = getattr(readings, measure.name)
    return None if measure.name == "battery" and readings.on_mains else value


def cause(readings: Readings, enter: Limits) -> str | None:
    """The first reading that is as bad as its limit, in words."""
    for measure in _MEASURES:
        value, limit = _value(readings, measure), getattr(enter, measure.name)
        if value is not None and limit is not None and measure.reaches(value, limit):
            return f"{measure.tell(value)}, the limit is {limit * measure.scale:g}"
    return None


def good(readings: Readings, leave: Limits) -> bool:
    """Whether every reading that is known is better than its limit; those of time must be known."""
    return all(_within(readings, measure, getattr(leave, measure.name)) for measure in _MEASURES)


def calm(readings: Readings, rung: Rung) -> bool:
    """Whether no reading of time is bad enough to come here, and the others are good enough to leave."""
    return all(
        _within(readings, measure, getattr(rung.enter if measure.of_time else rung.leave, measure.name))
        for measure in _MEASURES
    )


def _within(readings: Readings, measure: _Measure, limit: float | None) -> bool:
    value = _value(readings, measure)
    if limit is None or value is None:
        return limit is None or not measure.of_time
    return not measure.reaches(value, limit)


def in_words(readings: Readings, leave: Limits) -> str:
    """The readings that the limits speak of, in words."""
    known = [(m, _value(readings, m)) for m in _MEASURES if getattr(leave, m.name) is not None]
    return ", ".join(m.tell(value) for m, value in known if value is not None) or "nothing speaks against it"


# What a session can give up


@dataclass(frozen=True, slots=True)
class Able:
    """What a session has that a rung may give up."""

    pictures: bool = True
    variants: tuple[str, ...] = ()
    rewords: bool = True
    speaks: bool = True


def fitted(rungs: Sequence[Rung], able: Able) -> tuple[Rung, ...]:
    """The rungs without those that give up nothing more than the one above that this session has."""
    kept: list[Rung] = []
    for rung in rungs:
        own = rung if rung.variant in able.variants else replace(rung, variant="")
        if not kept or _given_up(own, able) != _given_up(kept[-1], able):
            kept.append(own)
    return tuple(kept)


def _given_up(rung: Rung, able: Able) -> tuple[object, ...]:
    return (
        rung.vision_period_ms if able.pictures else None,
        rung.variant,
        rung.language_model if able.rewords else None,
        rung.speech_sentences if able.speaks else None,
    )


# From outside


def read_ladder(path: Path) -> tuple[Rung, ...]:
    """The ladder of a TOML file; raises LadderError naming the key and what is allowed."""
    from sensorium.toml import read_toml  # only who has a file of his own needs it

    return parse_ladder(read_toml(path, "ladder", LadderError), f"ladder {path}")


def parse_ladder(table: Any, where: str) -> tuple[Rung, ...]:
    """The rungs of a table ``{"rung": [...]}``; raises LadderError that begins with ``where``."""
    if not isinstance(table, dict) or set(table) != {KEY}:
        given = ", ".join(map(str, table)) if isinstance(table, dict) else type(table).__name__
        raise LadderError(f"{where}: it has {given or 'nothing'}; allowed: [[{KEY}]] tables, from the top down")
    try:
        rungs = _adapter().validate_python(table)[KEY]
    except ValidationError as err:
        raise LadderError(f"{where}: {first_fault(err, known=_keys)}") from err
    for fault in _faults(rungs):
        raise LadderError(f"{where}: {fault}")
    return rungs


@cache
def _adapter() -> TypeAdapter[dict[str, tuple[Rung, ...]]]:
    return TypeAdapter(dict[str, tuple[Rung, ...]])


def _keys(path: Sequence[str]) -> list[str]:
    return [field.name for field in fields(Limits if {"enter", "leave"} & set(path) else Rung)]


def _faults(rungs: Sequence[Rung]) -> list[str]:
    """What is wrong with a table whose every value is in its range."""
    if not rungs:
        return [f"it has no rung; give at least one [[{KEY}]]"]
    faults = []
    names = [rung.name for rung in rungs]
    if len(set(names)) < len(names):
        faults.append(f"two rungs have one name; given {', '.join(names)}")
    if rungs[0].enter != Limits() or rungs[0].leave != Limits():
        faults.append(f"{rungs[0].name!r} is the top, where a session begins: enter and leave are for the rungs below")
    for rung in rungs[1:]:
        if rung.enter == Limits():
            faults.append(f"{rung.name!r} is never entered; give enter a limit: {', '.join(m.name for m in _MEASURES)}")
        faults += [fault for measure in _MEASURES if (fault := _swing(rung, measure))]
    return faults


def _swing(rung: Rung, measure: _Measure) -> str | None:
    """Why a rung would be entered again as soon as it was left, or never be left."""
    enter, leave = getattr(rung.enter, measure.name), getattr(rung.leave, measure.name)
    if enter is None and leave is None:
        return None
    if enter is None or leave is None:
        lacks, has = ("enter", "leave") if enter is None else ("leave", "enter")
        return f"{rung.name!r} has {has}.{measure.name} and no {lacks}.{measure.name}; give both or neither"
    if measure.reaches(leave, enter):
        side = "below" if measure.worse > 0 else "above"
        return f"{rung.name!r}: leave.{measure.name} must be {side} enter.{measure.name} {enter:g}; given {leave:g}"
    return None
