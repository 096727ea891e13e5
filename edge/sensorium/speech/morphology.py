"""Words made from words, in the voice's phonemes: "kiosks", "dog's", "waved", "unplug", "headset"."""

import re
from collections.abc import Callable, Iterator

Lookup = Callable[[str], str | None]

_HISSING = ("s", "z", "ʃ", "ʒ")  # also the ends of tʃ and dʒ
_VOICELESS = ("p", "t", "k", "f", "θ", "s", "ʃ")
_FLAPS_AFTER = "aeiouæɑɔəɛɪʊʌɚɜɹː"
_PREFIXES = {
    "un": "ʌn",
    "re": "ɹiː",
    "non": "nɑːn",
    "pre": "pɹiː",
    "mis": "mɪs",
    "over": "ˌoʊvɚ",
    "sub": "sˌʌb",
}
_SUFFIXES = {
    "ly": "li",
    "ness": "nəs",
    "less": "ləs",
    "ful": "fəl",
    "er": "ɚ",
    "able": "əbəl",
    "like": "laɪk",
}


def derive(word: str, lookup: Lookup) -> str | None:
    """Phonemes of a word from those of the words it is made of, or None. ``word`` is lower case."""
    for rule in (_s, _ed, _ing, _suffixed, _prefixed, _compound):
        found = rule(word, lookup)
        if found is not None:
            return found
    return None


def plural(stem: str) -> str:
    """The sound of -s and -'s: kˈæts, dˈɔɡz, bˈɔksᵻz."""
    if stem.endswith(_HISSING):
        return stem + "ᵻz"
    return stem + ("s" if stem.endswith(_VOICELESS) else "z")


def past(stem: str) -> str:
    """The sound of -ed: stˈɑːpt, mˈuːvd, wˈeɪɾᵻd."""
    if stem.endswith(("t", "d")):
        return _flapped(stem) + "ᵻd"
    return stem + ("t" if stem.endswith(_VOICELESS) else "d")


def _flapped(stem: str) -> str:
    """American "t" between vowels: wˈeɪt -> wˈeɪɾ."""
    return stem[:-1] + "ɾ" if re.search(f"[{_FLAPS_AFTER}]t$", stem) else stem


def _first(lookup: Lookup, stems: Iterator[str]) -> str | None:
    return next((found for stem in stems if len(stem) > 1 and (found := lookup(stem)) is not None), None)


def _stems(root: str) -> Iterator[str]:
    """What a root before -ed, -ing or -er may come from: stopp -> stop, wav -> wave."""
    if re.search(r"([bdfgklmnprtvz])\1$", root):
        yield root[:-1]
    yield root
    yield root + "e"
    if root.endswith("i"):
        yield root[:-1] + "y"


def _s(word: str, lookup: Lookup) -> str | None:
    if word.endswith("'s"):
        stem = lookup(word[:-2]) or derive(word[:-2], lookup)
    elif word.endswith("ies"):
        stem = _first(lookup, iter((word[:-3] + "y", word[:-1])))
    elif word.endswith("s") and not word.endswith("ss"):
        stem = _first(lookup, iter((word[:-1], word[:-2] if word.endswith("es") else "")))
    else:
        return None
    return plural(stem) if stem else None


def _ed(word: str, lookup: Lookup) -> str | None:
    stem = _first(lookup, _stems(word[:-2])) if word.endswith("ed") else None
    return past(stem) if stem else None


def _ing(word: str, lookup: Lookup) -> str | None:
    stem = _first(lookup, _stems(word[:-3])) if word.endswith("ing") else None
    return _before_vowel(stem) + "ɪŋ" if stem else None


def _suffixed(word: str, lookup: Lookup) -> str | None:
    for suffix, sound in _SUFFIXES.items():
        if word.endswith(suffix) and len(word) > len(suffix) + 2:
            stem = _first(lookup, _stems(word[: -len(suffix)]))
            if stem:
                return _before(stem, sound[0]) + sound
    return None


def _before(stem: str, sound: str) -> str:
    """A stem before the suffix's first sound: a doubled "l" is said once."""
    return stem.removesuffix("l") if sound == "l" else _before_vowel(stem) if sound in "əɚ" else stem


def _before_vowel(stem: str) -> str:
    return _flapped(stem) + ("ɹ" if stem.endswith(("ɚ", "ɜː")) else "")


def _prefixed(word: str, lookup: Lookup) -> str | None:
    for prefix, sound in _PREFIXES.items():
        stem = word.removeprefix(prefix)
        if stem != word and len(stem) > 2:
            found = lookup(stem) or _s(stem, lookup) or _ed(stem, lookup) or _ing(stem, lookup)
            if found:
                return sound + found
    return None


def _compound(word: str, lookup: Lookup) -> str | None:
    """Two known words of three letters and more; the first carries the stress: hˈɛdsɛt."""
    for cut in range(len(word) - 3, 2, -1):
        first = lookup(word[:cut])
        second = lookup(word[cut:]) or _s(word[cut:], lookup) if first else None
        if first and second:
            return first + second.replace("ˈ", "ˌ", 1) if "ˈ" in first else first + second
    return None
