"""One thing that the doctor looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How it is: ``warn`` means that something is missed, ``fail`` that Sensorium does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    what: str
    status: Status
    told: str
    advice: str = ""


def ok(what: str, told: str) -> Finding:
    """Nothing to do."""
    return Finding(what, Status.OK, told)


def warn(what: str, told: str, advice: str) -> Finding:
    """Works without; ``advice`` says how to have it."""
    return Finding(what, Status.WARN, told, advice)


def fail(what: str, told: str, advice: str) -> Finding:
    """Does not work until ``advice`` is followed."""
    return Finding(what, Status.FAIL, told, advice)
