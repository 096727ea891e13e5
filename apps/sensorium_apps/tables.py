"""Tables as several commands print them: wide enough in a pipe, fitted to a terminal."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 200  # a pipe has no width: nothing is to be folded or cut


def console() -> "Console":
    """Standard output."""
    from rich.console import Console

    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(width=PIPE_WIDTH, highlight=False, markup=False)


def table(*headers: str, title: str = "", right: tuple[int, ...] = ()) -> "Table":
    """A table without lines; ``right`` are the columns of figures."""
    from rich.table import Table

    made = Table(title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for i, header in enumerate(headers):
        made.add_column(header, justify="right" if i in right else "left", header_style="dim", overflow="fold")
    return made


def share(row: Any) -> str:
    """``98.3% (97.0-99.1)``; a dot where it was not measured."""
    if row is None:
        return "·"
    return f"{row['accuracy']:.1%} ({row['low'] * 100:.1f}-{row['high'] * 100:.1f})"


def mb(size_bytes: float | None) -> str:
    """Megabytes (10^6) with two decimals."""
    return "" if size_bytes is None else f"{size_bytes / 1e6:.2f}"


def ms(value: float | None) -> str:
    """Milliseconds with two decimals."""
    return "" if value is None else f"{value:.2f}"
