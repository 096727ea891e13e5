"""Consent from a terminal: ``/consent yes`` and ``/consent no`` among the typed lines."""

from collections.abc import Callable
from typing import TypeAlias

from sensorium.samples import Line, Sample
from sensorium.source import Source, SourceInfo, Wrapper
from sensorium_apps.failures import note

COMMAND = "/consent"
ANSWERS = {"yes": True, "no": False}
KEY = "c"  # in a window
BY_TYPING, BY_KEY = "a typed command", "a key"

Consenting: TypeAlias = Callable[[bool, str], None]  # given, by


class Typed(Wrapper):
    """Typed lines without the commands among them, which go to ``consent``."""

    def __init__(self, source: Source, consent: Consenting) -> None:
        super().__init__(source)
        self._consent = consent

    def open(self) -> SourceInfo:
        """Open the lines."""
        return self._source.open()

    def read(self) -> Sample | None:
        """The next line that is no command."""
        while isinstance(line := self._source.read(), Line) and line.text.split()[:1] == [COMMAND]:
            answer = line.text.removeprefix(COMMAND).strip().lower()
            if answer in ANSWERS:
                self._consent(ANSWERS[answer], BY_TYPING)
            else:
                note(f"{COMMAND} {answer}: say {COMMAND} yes or {COMMAND} no")
        return line

    def close(self) -> None:
        """Close the lines."""
        self._source.close()
