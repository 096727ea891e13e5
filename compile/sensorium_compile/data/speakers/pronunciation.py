"""How words are said, in the alphabet of the Kokoro voices.

Misaki's dictionaries are written in it (https://github.com/hexgrad/misaki/blob/main/EN_PHONES.md); the American one
is also what the companion's own voice reads by. What no dictionary has is guessed from its letters.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from sensorium.speech import normalise
from sensorium.speech.alphabet import from_arpabet
from sensorium.speech.letters import LetterToSound
from sensorium_compile.errors import CompileError
from sensorium_compile.zoo import Weights

AMERICAN, BRITISH = "american", "british"
LETTERS = "g2p-en"  # the guess, of American English
# Checked pronunciations before unchecked ones; American rather than guessed.
_AMERICAN = ("misaki-us-gold", "misaki-us-silver")
DICTIONARIES = {AMERICAN: _AMERICAN, BRITISH: ("misaki-gb-gold", "misaki-gb-silver", *_AMERICAN)}

_TOKEN = re.compile(r"[A-Za-z']+|[,.;:!?]")
_MARKS = frozenset(",.;:!?")

Reading = str | Mapping[str, str | None] | None


class Pronunciation:
    """Phonemes of words and short phrases.

    ``own`` are pronunciations that a recipe gives, word by word, in the same alphabet; they go before the dictionaries.
    """

    def __init__(self, weights: Weights, own: Mapping[str, str]) -> None:
        self._weights = weights
        self._own = {word.lower(): phonemes for word, phonemes in own.items()}
        self._books: dict[str, tuple[dict[str, Reading], ...]] = {}
        self.guessed: dict[str, str] = {}  # words that no dictionary has

    def entries(self, texts: Iterable[str], accents: Iterable[str]) -> tuple[str, ...]:
        """The zoo's entries that these texts need."""
        words = {word.lower() for text in texts for word in _TOKEN.findall(normalise(text))} - _MARKS
        if words <= set(self._own):
            return ()
        return (*dict.fromkeys(name for accent in accents for name in DICTIONARIES[accent]), LETTERS)

    def __call__(self, text: str, accent: str) -> str:
        """Phonemes of the text with spaces and marks, e.g. ``fˈɔɹ.``; raises CompileError where no word is in it."""
        said = ""
        for token in _TOKEN.findall(normalise(text)):
            said += token if token in _MARKS else (" " if said else "") + self._word(token, accent)
        if not set(said) - _MARKS:
            raise CompileError(f"{text!r} has no word that can be said; give other words")
        return said

    def _word(self, word: str, accent: str) -> str:
        own = self._own.get(word.lower())
        return own or _look_up(word, self._dictionaries(accent)) or self._guess(word.lower())

    def _dictionaries(self, accent: str) -> tuple[dict[str, Reading], ...]:
        if accent not in self._books:
            paths = [self._weights.path(name) for name in DICTIONARIES[accent]]
            self._books[accent] = tuple(json.loads(path.read_text("utf-8")) for path in paths)
        return self._books[accent]

    def _guess(self, word: str) -> str:
        if word not in self.guessed:
            self.guessed[word] = from_arpabet(self._letters(word))
        if not self.guessed[word]:
            raise CompileError(f"nobody knows how {word!r} is said; give it: phonemes = {{ {word} = ... }}")
        return self.guessed[word]

    @cached_property
    def _letters(self) -> LetterToSound:
        return LetterToSound(self._weights.path(LETTERS).read_bytes())


def _look_up(word: str, dictionaries: Iterable[Mapping[str, Reading]]) -> str | None:
    """ "TV" before "tv", "march" before "March"."""
    spellings = dict.fromkeys((word, word.lower(), word.capitalize(), word.upper()))
    for book in dictionaries:
        for spelling in spellings:
            reading = book.get(spelling)
            found = reading if isinstance(reading, str) or reading is None else reading.get("DEFAULT")
            if found:
                return found
    return None
