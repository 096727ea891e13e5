"""How well words were recognised: text as plain words, and the word error rate between two texts."""

import re
import unicodedata

from sensorium.speech.numbers import cardinal

# Spellings of one spoken word, as Whisper's normaliser has them (arXiv 2212.04356, appendix C).
_SPOKEN = {"mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay"}
_IS = ("what", "where", "who", "how", "there", "that", "it", "he", "she", "when")  # 's after these is "is"
_LARGEST = 1000  # numbers beyond are said in too many ways (years, house numbers) to be the same words
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*'?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'"})


def normalise(text: str) -> list[str]:
    """The words as they are said: lower case, no punctuation, "2" as "two", "what's" as "what is"."""
    plain = _THOUSANDS.sub("", unicodedata.normalize("NFKC", text.translate(_QUOTES)).lower())
    return [said for word in _WORD.findall(plain) for said in _said(word.rstrip("'"))]


def word_error_rate(reference: str, hypothesis: str) -> tuple[int, int]:
    """(errors, words of the reference): the fewest substitutions, insertions and deletions between the two.

    Divide the sums over a set, not the rates of its texts. The algorithm is Levenshtein's over words.
    """
    wanted, given = normalise(reference), normalise(hypothesis)
    row = list(range(len(given) + 1))  # errors between no word and each beginning of the hypothesis
    for place, word in enumerate(wanted, start=1):
        above, row = row, [place]
        for i, other in enumerate(given):
            row.append(min(above[i] + (word != other), above[i + 1] + 1, row[i] + 1))
    return row[-1], len(wanted)


def _said(word: str) -> list[str]:
    if word.isascii() and word.isdigit() and int(word) <= _LARGEST:
        return cardinal(int(word)).replace("-", " ").split()
    beginning, _, end = word.partition("'")
    if end == "s" and beginning in _IS:
        return [beginning, "is"]
    return [_SPOKEN.get(word, word)]
