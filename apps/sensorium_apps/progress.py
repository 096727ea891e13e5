"""The bar that long work shows on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str, *, counted: bool = True) -> Iterator[Callable[[str, int, int], None]]:
    """Yields what is told the work, how much is done and of how much; on standard error, and only on a terminal.

    ``counted``: the numbers are shown with the time so far; else the share with the time that is left.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    numbers = (MofNCompleteColumn(), TimeElapsedColumn()) if counted else (TaskProgressColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), *numbers)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None)
        yield lambda now, done, total: bars.update(task, description=now, completed=done, total=total)
