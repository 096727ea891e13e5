"""A question on its way to an answer: the words that a rule picked out, and the things that they mean."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sensorium.answers.concepts import CATEGORIES, EVERYTHING, LABELS, concept_of, known_nouns, label_of
from sensorium.answers.nouns import singular
from sensorium.answers.phrasing import canonical, colour_of, name_of, plain
from sensorium.events import Guess, Thing
from sensorium.scene import Scene

Near: TypeAlias = Callable[[str, Sequence[str]], tuple[str, float]]

# Cosine of all-MiniLM-L6: timepiece-clock 0.66, pooch-dog 0.62, but monkey-banana 0.63, fish-boat 0.59.
NEAR_ENOUGH = 0.65
_SPELT_ALIKE = 0.84  # difflib's ratio: one letter in five or six differs
_SHORTEST_ALIKE = 5  # letters; shorter words that look alike are mostly other words (hat, cat)
_COLOURS = frozenset(
    [
        "red",
        "orange",
        "yellow",
        "green",
        "blue",
        "purple",
        "violet",
        "pink",
        "brown",
        "black",
        "white",
        "grey",
        "beige",
        "cyan",
        "turquoise",
        "golden",
        "silver",
    ]
)
_NOT_NOUNS = re.compile(
    r"^(?:(?:the|a|an|any|some|my|your|his|her|our|their|this|that|these|those|more|other|another|all|of|"
    r"single|"
    r"different|big|small|little|large|tiny|lot|lots|kind|sort|type|types|kinds|sorts|pair|pairs|only|just|"
    r"still|also|one|two|three|four|five|six|seven|eight|nine|ten|\d+) )+"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, and the senses that it rests on."""

    text: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question against one scene."""

    question: str  # as it came
    words: str  # normalised
    scene: Scene
    near: Near | None
    noun: str = ""  # what the rule picked out
    other: str = ""  # a second thing that it picked out


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a noun means: the detector's names that it covers, a colour if one was said."""

    noun: str  # singular, as it is said back
    labels: frozenset[str] = frozenset()
    colour: str = ""
    everything: bool = False
    said: str = ""  # the noun that was said, where only its nearest in meaning is known

    @property
    def known(self) -> bool:
        """Whether the eyes could know it at all."""
        return self.everything or (bool(self.labels) and not self.said)

    def covers(self, thing: Thing) -> bool:
        """Whether this thing is meant, whatever its colour."""
        label = canonical(thing.label)
        return self.everything or label in self.labels or label == self.noun

    def matches(self, thing: Thing) -> bool:
        """Whether this thing is meant, in the colour that was said."""
        return self.covers(thing) and self.colour in ("", colour_of(thing))

    def names(self, guess: Guess) -> bool:
        """Whether a name of the whole picture is, or falls under, what is meant."""
        return concept_of(guess.name) in self.labels or f" {self.noun} " in f" {guess.name.lower()} "


def wanted(phrase: str, scene: Scene, near: Near | None) -> Wanted:
    """What a noun phrase means: ``the red cups`` -> cups that are red, ``kitty`` -> cat."""
    bare = _NOT_NOUNS.sub("", f"{phrase} ").strip() or phrase
    colour, noun = _colour_and_noun(bare)
    singular_noun = plain(singular(noun)) or "thing"
    if singular(noun) in EVERYTHING:
        return Wanted(singular_noun, colour=colour, everything=True)
    if labels := _labels(noun, scene):
        return Wanted(name_of(min(labels)) if len(labels) == 1 else singular_noun, labels, colour)
    if labels := _nearest(noun, scene, near):
        return Wanted(name_of(min(labels)), labels, colour, said=singular_noun)
    return Wanted(singular_noun, colour=colour)


def _colour_and_noun(phrase: str) -> tuple[str, str]:
    words = phrase.split(" ")
    if len(words) > 1 and words[0] in _COLOURS:
        return words[0], " ".join(words[1:])
    if len(words) > 1 and words[-1] in _COLOURS and words[0] in EVERYTHING:
        return words[-1], words[0]
    return "", phrase


def _labels(noun: str, scene: Scene) -> frozenset[str]:
    """The detector's names for a noun, from the surest way to the loosest."""
    for form in (noun, noun.split(" ")[-1]):
        if singular(form) in CATEGORIES:
            return CATEGORIES[singular(form)]
        if label := label_of(form):
            return frozenset([label])
    return _alike(singular(noun))


def _alike(noun: str) -> frozenset[str]:
    """A noun that a slip of the recogniser or the finger made: ``bicicle``."""
    if len(noun) < _SHORTEST_ALIKE:
        return frozenset()
    close = difflib.get_close_matches(noun, known_nouns(), n=1, cutoff=_SPELT_ALIKE)
    return _known(close[0]) if close else frozenset()


def _nearest(noun: str, scene: Scene, near: Near | None) -> frozenset[str]:
    """The nearest in meaning, if there is a text encoder and no name of the picture holds the noun."""
    if near is None or any(f" {singular(noun)} " in f" {guess.name.lower()} " for guess in scene.names):
        return frozenset()
    seen = {canonical(thing.label) for thing in scene.things}
    name, cosine = near(noun, sorted(LABELS | seen))
    return frozenset([name]) if cosine >= NEAR_ENOUGH else frozenset()


def _known(noun: str) -> frozenset[str]:
    return CATEGORIES.get(noun) or frozenset(label for label in [label_of(noun)] if label)
