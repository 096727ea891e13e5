"""Cutting text where a speaker would breathe: the first sound comes early and no phrase grows long."""

import re
from collections.abc import Iterator

from sensorium.speech.normalise import normalise

# A voice of this kind takes about 0.35 s a word: 24 words are 8 s of sound, which bounds time and memory.
MAX_WORDS = 24
# The first phrase decides when the first sound comes; past this many words it is cut before a joining word.
FIRST_WORDS = 10
# No word of English is longer but for chemistry's; what is, is no word.
MAX_LETTERS = 32

_CLAUSE = re.compile(r"[^,.;:!?]+[,.;:!?]?")
_JOINING_TEXT = "and but or so because if when while that which who where with without on in at from to for of by"
_JOINING = frozenset(_JOINING_TEXT.split())


def phrases(text: str) -> Iterator[str]:
    """Phrases of the text, normalised. A sentence's end always ends one, the first ends at a clause."""
    first = True
    held = ""
    for clause in _clauses(normalise(text), FIRST_WORDS):
        joined = f"{held} {clause}".strip()
        if held and _words(joined) > MAX_WORDS:
            yield held
            joined = clause
        held = joined
        if first or held[-1] in ".!?":
            yield held
            held, first = "", False
    if held:
        yield held


def _clauses(text: str, first_words: int) -> Iterator[str]:
    """Clauses with the mark that ends them, none longer than ``MAX_WORDS`` (the first: ``first_words``)."""
    limit = first_words
    for match in _CLAUSE.finditer(text):
        words = [w[i : i + MAX_LETTERS] for w in match[0].split() for i in range(0, len(w), MAX_LETTERS)]
        while len(words) > limit:
            cut = _cut(words, limit)
            yield " ".join(words[:cut])
            words, limit = words[cut:], MAX_WORDS
        if words:
            yield " ".join(words)
            limit = MAX_WORDS


def _cut(words: list[str], limit: int) -> int:
    """Where to cut: before the last joining word that leaves at least three words on each side."""
    for i in range(min(limit, len(words) - 3), 2, -1):
        if words[i].lower() in _JOINING and words[i - 1].lower() not in _JOINING:
            return i
    return limit


def _words(text: str) -> int:
    return text.count(" ") + 1
