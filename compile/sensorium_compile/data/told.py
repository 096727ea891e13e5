"""What a reader tells while it reads: how far it is, and every file that it left out, with the reason."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, int, int], None]  # what is read, how many are done, how many there are

SHOWN = 5  # names that a summary gives of each kind: enough to look at, few enough for a line


@dataclass(slots=True)
class Counts:
    """How often something was done or found, and to which files, e.g. ``{"unreadable": ["3/IMG_7.jpg: cut off"]}``."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        """One more of that kind."""
        self.found.setdefault(kind, []).append(name)

    def count(self, kind: str) -> int:
        """How many of that kind."""
        return len(self.found.get(kind, ()))

    def merge(self, other: "Counts") -> None:
        """Add all that the other counted."""
        for kind, names in other.found.items():
            self.found.setdefault(kind, []).extend(names)

    def __str__(self) -> str:
        if not self.found:
            return "nothing left out"
        return "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in sorted(self.found.items()))


def silent(what: str, done: int, total: int) -> None:
    """A progress that tells nobody."""


@dataclass(slots=True)
class Told:
    """Whom a reader tells: a progress to draw, and the counts for the report."""

    progress: Progress = silent
    counts: Counts = field(default_factory=Counts)


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
