"""Telling how a pull goes: a small protocol, a silent teller, and bars for a terminal."""

from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class PullProgress(Protocol):
    """What a pull tells while it works. Calls come from one thread, in order."""

    def begin(self, packages: int) -> None:
        """So many packages will be downloaded; 0 when everything is in the cache."""

    def waiting(self, reason: str) -> None:
        """Nothing moves for now, e.g. because another process pulls into the same folder."""

    def package(self, package: str) -> None:
        """The download of this package begins."""

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """So much of the package is here. Never called where the index client does not tell."""

    def stored(self, name: str, size_bytes: int) -> None:
        """An entry's file was checked and is in the cache."""

    def finished(self, package: str) -> None:
        """All that is wanted of this package is in the cache."""


class Silent:
    """Tells nothing; also the base for a teller of some things only."""

    def begin(self, packages: int) -> None:
        """Nothing."""

    def waiting(self, reason: str) -> None:
        """Nothing."""

    def package(self, package: str) -> None:
        """Nothing."""

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Nothing."""

    def stored(self, name: str, size_bytes: int) -> None:
        """Nothing."""

    def finished(self, package: str) -> None:
        """Nothing."""


class Bars(Silent):
    """One bar over the packages, one over the bytes of the present one; plain lines without a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._overall: TaskID | None = None
        self._current: TaskID | None = None
        self._packages = self._finished = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, packages: int) -> None:
        """Draw the bar over the packages."""
        self._packages = packages
        self._overall = self._bars.add_task(self._title(), total=packages or 1, completed=0 if packages else 1)

    def waiting(self, reason: str) -> None:
        """Print the reason."""
        self._console.print(reason)

    def package(self, package: str) -> None:
        """Draw a bar for its bytes; it swings until the index client tells a size."""
        self._current = self._bars.add_task(package, total=None)

    def downloaded(self, done_bytes: int, total_bytes: int) -> None:
        """Move the package's bar."""
        if self._current is not None:
            self._bars.update(self._current, completed=done_bytes, total=total_bytes)

    def stored(self, name: str, size_bytes: int) -> None:
        """Print a line that stays."""
        self._console.print(f"{name}  {size_bytes / 1e6:.1f} MB", highlight=False)

    def finished(self, package: str) -> None:
        """Take the package's bar away, move the other."""
        self._finished += 1
        if self._current is not None:
            self._bars.remove_task(self._current)
        if self._overall is not None:
            self._bars.update(self._overall, advance=1, description=self._title())

    def _title(self) -> str:
        return f"packages {self._finished}/{self._packages}"
