"""How a running session is told: on a live screen, as plain lines, or as JSON lines."""

import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeAlias

import typer
from rich.console import Console
from rich.live import Live as Screen

from sensorium.events import Event, HealthChanged, Percept, to_json
from sensorium.health import State
from sensorium.source import SourceInfo
from sensorium_apps.explain_view import table
from sensorium_apps.explanation import Changes
from sensorium_apps.failures import note
from sensorium_apps.lines import Lines
from sensorium_apps.live import Live
from sensorium_apps.tables import console as plain_console
from sensorium_apps.view import ViewState, render
from sensorium_apps.wording import NAMES, trouble

FPS = 10  # redraws a second: enough to look alive, little enough for a terminal over a network

Absences: TypeAlias = dict[str, str]  # modality -> why it is absent


class Teller(Protocol):
    """Tells what happens; ``None`` is a moment in which nothing did."""

    def take(self, event: Event | None) -> None:
        """Tell this event."""
        ...

    def opened(self, modality: str, name: str, info: SourceInfo) -> None:
        """Tell what a source turned out to be."""
        ...

    def helpless(self, why: str) -> None:
        """Tell that no sense is left, and why."""
        ...


class JsonTeller:
    """Events as JSON lines on stdout; all else on stderr."""

    def take(self, event: Event | None) -> None:
        """Print the event."""
        if event is not None:
            typer.echo(to_json(event))

    def opened(self, modality: str, name: str, info: SourceInfo) -> None:
        """Note what differs from what was asked."""
        for text in info.notes:
            note(f"{NAMES.get(modality, modality)} {name}: {text}")

    def helpless(self, why: str) -> None:
        """Note it."""
        note(why)


class LineTeller:
    """Plain lines on stdout, only for what changes."""

    def __init__(self, look_for: tuple[str, ...], explains: bool = False) -> None:
        self._lines = Lines(frozenset(look_for))
        self._changes = Changes() if explains else None

    def take(self, event: Event | None) -> None:
        """Print the lines that the event is worth."""
        for line in self._lines.take(event) if event is not None else ():
            typer.echo(line)
        if self._changes and isinstance(event, Percept) and (why := self._changes.take(event)):
            plain_console().print(table(why))

    def opened(self, modality: str, name: str, info: SourceInfo) -> None:
        """Print what it turned out to be."""
        typer.echo(f"{NAMES.get(modality, modality)} {name}: {'; '.join((info.description, *info.notes))}")

    def helpless(self, why: str) -> None:
        """Print it."""
        typer.echo(why)


class ScreenTeller:
    """The live view."""

    def __init__(self, screen: Screen, live: Live, explains: bool = False) -> None:
        self._screen = screen
        self._live = live
        self._state = ViewState(explains=explains)

    def take(self, event: Event | None) -> None:
        """Fold the event in and draw."""
        if event is not None:
            self._state.take(event)
        self._state.count(self._live.session.counts, self._live.clock.now_ns())
        self._screen.update(render(self._state))

    def opened(self, modality: str, name: str, info: SourceInfo) -> None:
        """Show it beside the modality."""
        self._state.sources[modality] = "; ".join((info.description, *info.notes))

    def helpless(self, why: str) -> None:
        """Print it above the view."""
        self._screen.console.print(why, style="yellow", highlight=False)


class Absent:
    """Notices when every sense is gone, and when one is back.

    ``others``: modalities that have a source beside camera and microphone: typed text, a sensor's readings.
    """

    def __init__(self, others: Collection[str] = ()) -> None:
        self._others = set(others) - {"vision", "audio"}
        self._why: Absences = {}
        self._told = False

    def take(self, event: Event | None) -> str | None:
        """The sentence to tell when the last sense went; else None."""
        if not isinstance(event, HealthChanged):
            return None
        if event.state is State.ABSENT:
            self._why[event.modality] = trouble(event)
        else:
            self._why.pop(event.modality, None)
        helpless = {"vision", "audio"} | self._others <= self._why.keys()
        news, self._told = helpless and not self._told, helpless
        if not news:
            return None
        whys = "; ".join(self._why[modality] for modality in ("vision", "audio"))
        return f"I can neither see nor hear ({whys}). I stay up until a source returns; Ctrl-C ends."


@contextmanager
def teller(live: Live, look_for: tuple[str, ...], json: bool, explains: bool = False) -> Iterator[Teller]:
    """The way of telling that fits: JSON when asked for, a screen on a terminal, else lines."""
    typing_there = any(s.name == "-" for s in live.sources) and sys.stdin.isatty()
    console = Console()
    if json:
        yield JsonTeller()
    elif console.is_terminal and not typing_there:  # a screen would be drawn over what is being typed
        with Screen(console=console, refresh_per_second=FPS, transient=False) as screen:
            yield ScreenTeller(screen, live, explains)
    else:
        yield LineTeller(look_for, explains)


def tell_all(live: Live, told: Teller, events: Iterable[Event | None]) -> None:
    """Tell all of these events of a running session."""
    absent = Absent([source.modality for source in live.sources])
    for event in events:
        for opening in live.openings():
            told.opened(*opening)
        told.take(event)
        why = absent.take(event)
        if why is not None and not live.ended:
            told.helpless(why)
