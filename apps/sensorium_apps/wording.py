"""Words for what events hold, as every command prints them."""

from collections import Counter
from collections.abc import Iterable

from sensorium.answers.nouns import plural
from sensorium.events import HealthChanged, Thing, Utterance

NAMES = {"vision": "camera", "audio": "microphone", "text": "typed text"}  # as a person calls a modality


def counted(things: Iterable[Thing]) -> str:
    """The things with how many there are, the most first: ``2 cups, cat``; "" where there is none."""
    counts = Counter(thing.label for thing in things)
    return ", ".join(f"{n} {plural(label)}" if n > 1 else label for label, n in counts.most_common())


def percent(probability: float) -> str:
    """A probability as a whole percentage."""
    return f"{probability:.0%}"


def said_by(said: Utterance) -> str:
    """Who said it and how."""
    return "you" if said.modality == "audio" else "you (typed)"


def trouble(change: HealthChanged) -> str:
    """What is wrong with a modality, which its reason may name: ``microphone muted``, ``camera 0: ...``."""
    name, reason = NAMES.get(change.modality, change.modality), change.reason or change.state.value
    joint = ": " if " " in reason else " "
    return reason if reason.startswith(name) else f"{name}{joint}{reason}"
