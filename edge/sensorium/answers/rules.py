"""From a question to who answers it: by the table, else by what is most like it, else honestly by nobody."""

import difflib
import re
from dataclasses import replace
from functools import cache

from sensorium.answers import sight, talk
from sensorium.answers.asked import Answer, Asked, Near
from sensorium.answers.concepts import CATEGORIES, EVERYTHING, label_of
from sensorium.answers.nouns import singular
from sensorium.answers.phrasing import plain
from sensorium.answers.questions import QUESTIONS, Handler
from sensorium.answers.senses import present
from sensorium.answers.wording import normalised
from sensorium.scene import Scene

_ALIKE = 0.85  # difflib's ratio from which a question counts as a misheard one of _EXAMPLES
_MOST_DROPPED = 4  # words before a question that are taken for something else
_NOUN_ALONE = re.compile(r"(?P<noun>(?:the |a |an |any |some |my |your )?\w+(?: \w+){0,2})")
# What a badly recognised question is compared with as a whole.
_EXAMPLES = (
    "what do you see",
    "what can you see",
    "what do you hear",
    "what did you hear",
    "can you hear me",
    "can you see me",
    "what is this",
    "what is in front of you",
    "what happened",
    "what did i say",
    "what time is it",
    "how are your senses",
    "are you there",
    "who are you",
    "what can you do",
)


def answer(question: str, scene: Scene, near: Near | None = None) -> Answer:
    """What to say to ``question`` given ``scene``: at most a few short sentences of plain words.

    A pure function. ``near`` names the one of some labels that is nearest to a noun, with its cosine; it is
    asked only about nouns that no table knows. ``because`` holds the senses that the answer rests on, all of
    them present.
    """
    asked = Asked(question, normalised(question), scene, near)
    found = _by_rule(asked) or _without_beginning(asked) or _by_likeness(asked) or talk.not_understood(asked)
    return Answer(plain(found.text), tuple(m for m in dict.fromkeys(found.because) if m in present(scene)))


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], Handler], ...]:
    """The table ready for use; made at the first question, because it costs tens of milliseconds."""
    return tuple((re.compile(pattern), handler) for handler, patterns in QUESTIONS for pattern in patterns)


def _by_rule(asked: Asked) -> Answer | None:
    for pattern, handler in _compiled():
        if match := pattern.fullmatch(asked.words):
            said = match.groupdict()
            return handler(replace(asked, noun=said.get("noun") or "", other=said.get("other") or ""))
    match = _NOUN_ALONE.fullmatch(asked.words)
    return _known_noun(replace(asked, noun=match["noun"])) if match else None


def _without_beginning(asked: Asked) -> Answer | None:
    """Something was said before the question: ``look at that, what is it``."""
    words = asked.words.split(" ")
    for dropped in range(1, min(_MOST_DROPPED, len(words) - 2) + 1):
        rest = " ".join(words[dropped:])
        if rest.startswith(("what ", "where ", "how ", "who ", "is ", "are ", "do ", "did ", "can ")):
            found = _by_rule(replace(asked, words=rest))
            if found is not None:
                return found
    return None


def _by_likeness(asked: Asked) -> Answer | None:
    close = difflib.get_close_matches(asked.words, _EXAMPLES, n=1, cutoff=_ALIKE)
    return _by_rule(replace(asked, words=close[0])) if close else None


def _known_noun(asked: Asked) -> Answer | None:
    """A noun alone asks about it, if it is one that can be seen."""
    bare = re.sub(r"^(?:the|a|an|any|some|my|your) ", "", asked.noun)
    last = bare.split(" ")[-1]
    known = any(label_of(n) or singular(n) in CATEGORIES or n in EVERYTHING for n in (bare, last))
    return sight.is_there(asked) if known else None
