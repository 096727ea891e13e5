"""How things are put into words: places, times, groups of things, and text that a voice can say."""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.answers.concepts import LABELS, RENAMED, SPOKEN, label_of
from sensorium.answers.nouns import counted, in_words, joined
from sensorium.clock import NS_PER_S
from sensorium.events import Thing

MOST_GROUPS = 4  # kinds of things in one sentence; a listener does not keep more
_ECHO_WORDS = 12  # of the user's own words that are said back
_ECHO_CHARACTERS = 120
_WORDY = re.compile(r"[0-9]+")


def plain(text: str) -> str:
    """The text with nothing in it that cannot be said: letters, numbers in words and simple punctuation."""
    text = unicodedata.normalize("NFKC", text).translate({0x2019: "'", 0x2013: "-", 0x2014: "-"})
    text = _WORDY.sub(_number, text)
    kept = "".join(c if c.isalpha() or c in " ,.;:?!'-" else " " for c in text)
    return " ".join(kept.split())


def echo(text: str) -> str:
    """Somebody's words, short enough to be said back, without the mark at their end."""
    words = plain(text[:_ECHO_CHARACTERS]).split(" ")
    return " ".join(words[:_ECHO_WORDS]).strip(" ,.;:?!'-")


def sentence(text: str) -> str:
    """The text with a capital at its front and a mark at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def name_of(label: str) -> str:
    """How a detector's name is said: ``tv`` -> ``television``."""
    known = canonical(label)
    return SPOKEN.get(known, known) if known in LABELS else guess_name(label)


def guess_name(name: str) -> str:
    """How a classifier's name is said: ``T-shirt``, ``kite (bird of prey)`` -> ``kite``."""
    bare = re.sub(r"\([^)]*\)|,.*", "", RENAMED.get(name, name)).replace("/", " or ")
    return plain(bare).strip(" ,.;:?!'-") or "something"


def canonical(label: str) -> str:
    """A detector's name in COCO's spelling: ``sofa`` -> ``couch``; other names in lower case."""
    return label_of(label.strip().lower()) or label.strip().lower()


def duration(span_ns: int) -> str:
    """``3 seconds`` in words; a minute and more in minutes, an hour and more in hours."""
    seconds = max(0, span_ns) // NS_PER_S
    for size, unit in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            return f"{in_words(seconds // size)} {unit}{'s' if seconds >= 2 * size else ''}"
    return "less than a second"


def ago(span_ns: int) -> str:
    """``three seconds ago``, ``just now``."""
    return "just now" if span_ns < NS_PER_S else f"{duration(span_ns)} ago"


@dataclass(frozen=True, slots=True)
class Group:
    """Things of one label and colour that are told together."""

    label: str  # as it is said
    count: int
    colour: str = ""

    def __str__(self) -> str:
        return counted(self.count, self.label, self.colour)


def groups(things: Sequence[Thing]) -> list[Group]:
    """Things told together, most prominent first; colours only where every thing of that label has one."""
    found: list[Group] = []
    for label in dict.fromkeys(canonical(t.label) for t in sorted(things, key=prominence, reverse=True)):
        found += _of_one_label([t for t in things if canonical(t.label) == label])
    return found


def listed(things: Sequence[Thing]) -> str:
    """``two red cups and a cat``; what is beyond ``MOST_GROUPS`` kinds is only counted."""
    told = groups(things)
    rest = sum(group.count for group in told[MOST_GROUPS:])
    parts = [str(group) for group in told[:MOST_GROUPS]]
    return joined([*parts, f"{in_words(rest)} other thing{'s' if rest > 1 else ''}"] if rest else parts)


def prominence(thing: Thing) -> float:
    """How much a thing is what the picture is about: its share of the picture times its score."""
    x0, y0, x1, y1 = thing.box
    product = (x1 - x0) * (y1 - y0) * thing.score
    return product if math.isfinite(product) else 0.0


def colour_of(thing: Thing) -> str:
    """Its colour as said, "" where none is known; people have none."""
    return "" if canonical(thing.label) == "person" else plain(thing.colour).lower()


def place(thing: Thing) -> str:
    """``on the left``, ``at the top right``, ``in the middle``; "" for a box that is none."""
    x0, y0, x1, y1 = thing.box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if not (math.isfinite(x) and math.isfinite(y)):
        return ""
    across = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    down = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    if down:
        return f"at the {down} {across}".strip()
    return f"on the {across}" if across else "in the middle"


def gap(one: Thing, other: Thing) -> float:
    """Distance between two boxes as a share of the picture, 0 where they touch or overlap."""
    ax0, ay0, ax1, ay1 = one.box
    bx0, by0, bx1, by1 = other.box
    distance = math.hypot(max(0.0, bx0 - ax1, ax0 - bx1), max(0.0, by0 - ay1, ay0 - by1))
    return distance if math.isfinite(distance) else math.inf


def the(label: str) -> str:
    """``the cup``, ``the television``."""
    return f"the {name_of(label)}"


def an(label: str) -> str:
    """``a cup``, ``an apple``, ``some broccoli``, as said of one thing with this label."""
    return counted(1, name_of(label))


def coloured(thing: Thing) -> str:
    """``a red cup``, or ``a cup`` where the colour is not known."""
    return str(Group(name_of(thing.label), 1, colour_of(thing)))


def _of_one_label(things: Sequence[Thing]) -> list[Group]:
    label, colours = name_of(things[0].label), [colour_of(t) for t in things]
    kinds = dict.fromkeys(colours)
    if "" in kinds or len(kinds) > 2:
        kinds, colours = {"": None}, [""] * len(things)
    return [Group(label, colours.count(colour), colour) for colour in kinds]


def _number(match: re.Match[str]) -> str:
    digits = match.group()
    return f" {in_words(int(digits))} " if len(digits) <= 6 else " many "
