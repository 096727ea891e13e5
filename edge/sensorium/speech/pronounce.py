"""Words to phonemes: a word's neighbours, the dictionary, its parts, and at last a guess from its letters."""

import re

from sensorium.speech.alphabet import VOWELS, from_arpabet, to_voice
from sensorium.speech.letters import LetterToSound
from sensorium.speech.lexicon import Lexicon
from sensorium.speech.morphology import derive, plural

# How espeak's en-us voice, from which Piper's voices learnt, says small words inside a phrase and alone.
_WEAK = {
    "a": "ɐ",
    "an": "ɐn",
    "and": "ænd",
    "at": "æt",
    "how": "hˌaʊ",
    "in": "ɪn",
    "i": "aɪ",
    "i'm": "aɪm",
    "on": "ɔn",
    "one": "wˌʌn",
    "some": "sˌʌm",
    "them": "ðˌɛm",
    "us": "ˌʌs",
    "what": "wˌʌt",
}
_BEFORE_VOWEL = {"the": "ðɪ", "to": "tʊ"}
_BEFORE_CONSONANT = {"the": "ðə", "to": "tə"}
_VERBS_FOLLOW = "to will would can could shall should may might must i you we they not don't didn't can't cannot please"
_NOUNS_FOLLOW = "a an the my your his her its our their this that these those some any no"
_SAYS_VERB, _SAYS_NOUN = frozenset(_VERBS_FOLLOW.split()), frozenset(_NOUNS_FOLLOW.split())
_ACRONYM_LETTERS = 3  # "USB", "TV"; longer ones are read as words where they can be ("NASA", "STOP")
_LETTER_NAMES = {"a": "ˈeɪ", "i": "ˈaɪ", "o": "ˈoʊ", "w": "dˈʌbəljˌuː"}
_TOKEN = re.compile(r"[A-Za-z']+|[,.;:!?]")
_MARKS = frozenset(",.;:!?")


class Pronouncer:
    """The voice's phonemes of a phrase, from a lexicon in the voice's alphabet and a network for the rest.

    The lexicon may hold variants: ``use|verb``, ``use|noun``, and ``have|final`` for the end of a phrase.
    """

    def __init__(self, lexicon: Lexicon, guess: LetterToSound) -> None:
        self._lexicon = lexicon
        self._guess = guess

    def __call__(self, text: str) -> str:
        """Phonemes with spaces between words and the marks of a normalised text."""
        tokens = _TOKEN.findall(text)
        shouted = not any(token.islower() for token in tokens)
        out = ""
        after = ""  # the phonemes that follow, for "the apple"
        for i in range(len(tokens) - 1, -1, -1):
            if tokens[i] in _MARKS:
                out, after = tokens[i] + (" " if out else "") + out, ""
                continue
            previous = tokens[i - 1].lower() if i else ""
            sound = self._word(tokens[i], previous, after, shouted)
            gap = " " if out and out[0] not in _MARKS else ""
            out, after = sound + gap + out, sound or after
        return out

    def _word(self, word: str, previous: str, after: str, shouted: bool) -> str:
        lower = word.lower()
        if len(word) > 1 and word.isupper() and word.isalpha() and not (shouted and self._known(lower)):
            return self._acronym(word)
        if lower in _BEFORE_VOWEL and after:
            return (_BEFORE_VOWEL if after.lstrip("ˈˌ")[0] in VOWELS else _BEFORE_CONSONANT)[lower]
        if lower in _WEAK and after:
            return _WEAK[lower]
        return self._in_context(lower, previous, after) or self.alone(lower)

    def _in_context(self, word: str, previous: str, after: str) -> str | None:
        variant = "verb" if previous in _SAYS_VERB else "noun" if previous in _SAYS_NOUN else ""
        found = self._lexicon.get(f"{word}|{variant}") if variant else None
        return found or (None if after else self._lexicon.get(f"{word}|final"))

    def alone(self, word: str) -> str:
        """One lower-case word by itself."""
        return self._lexicon.get(word) or derive(word, self._lexicon.get) or self._guessed(word)

    def _known(self, word: str) -> bool:
        return (self._lexicon.get(word) or derive(word, self._lexicon.get)) is not None

    def _acronym(self, word: str) -> str:
        exact = self._lexicon.get(word)
        if exact:
            return exact
        lower = word.lower()
        if len(word) > _ACRONYM_LETTERS and (self._known(lower) or not _is_spelled(lower)):
            return self.alone(lower)
        return self._spelled(lower)

    def _spelled(self, word: str) -> str:
        """Letter by letter, stressed on the last: ˌjuːˌɛsbˈiː."""
        names = [_LETTER_NAMES.get(c) or self._lexicon.get(c.upper()) or "" for c in word]
        return "".join([*(name.replace("ˈ", "ˌ") for name in names[:-1]), *names[-1:]])

    def _guessed(self, word: str) -> str:
        stem = word.removesuffix("'s")
        bare = stem.replace("'", "")
        if len(bare) < 2 or not re.search("[aeiouy]", bare):
            return self._spelled(bare)
        sound = to_voice(from_arpabet(self._guess(bare)), bare)
        return plural(sound) if stem != word else sound


def _is_spelled(word: str) -> bool:
    """Whether an unknown acronym is read letter by letter: up to five letters, or without vowels."""
    return len(word) <= 5 or not re.search("[aeiouy]", word)
