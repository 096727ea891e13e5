"""What a visitor enters without touching anything: the labels that a trained model is sure of, one after another."""

from dataclasses import dataclass

from sensorium.clock import NS_PER_MS
from sensorium.events import Candidate, Percept

SURE = 0.8  # probability that counts as entered ...
UNSURE = 0.5  # ... and below which the same may be entered again
# A hand on its way to a sign passes through others, and a word half said may be another: it must stand for two ticks.
STANDS_NS = 350 * NS_PER_MS


@dataclass(slots=True)
class Entry:
    """From percepts to what was entered."""

    labels: frozenset[str]
    entered: tuple[str, ...] = ()
    _standing: str = ""
    _since_ns: int = 0
    _taken: str = ""  # the last one, while it still stands

    def take(self, percept: Percept) -> Candidate | None:
        """What was entered with this percept, if anything."""
        best = next((c for c in percept.candidates if c.text in self.labels), None)
        if best is None or not best.contributions or best.probability < UNSURE:
            self._standing = self._taken = ""
            return None
        if best.text != self._standing:
            self._standing, self._since_ns = best.text, percept.at_ns
        if best.text != self._taken and self._taken:
            self._taken = ""
        ready = percept.at_ns - self._since_ns >= STANDS_NS and best.probability >= SURE
        if not ready or best.text == self._taken:
            return None
        self._taken = best.text
        self.entered = (*self.entered, best.text)
        return best

    def clear(self) -> None:
        """Begin anew, for the next visitor."""
        self.entered = ()
