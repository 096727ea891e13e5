"""Written English to words: numbers, times, units, money, signs. What has no Latin letters is left out."""

import re
import unicodedata
from collections.abc import Callable

from sensorium.speech.numbers import cardinal, clock, digits, number, ordinal, year

# Unit -> (for one, for more). As the assistant and its user write them; case matters (m, M).
_UNITS = {
    "ms": ("millisecond", "milliseconds"),
    "µs": ("microsecond", "microseconds"),
    "ns": ("nanosecond", "nanoseconds"),
    "s": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "%": ("percent", "percent"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "km": ("kilometer", "kilometers"),
    "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "ft": ("foot", "feet"),
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "lb": ("pound", "pounds"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "dB": ("decibel", "decibels"),
    "V": ("volt", "volts"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "fps": ("frame per second", "frames per second"),
    "px": ("pixel", "pixels"),
    "lx": ("lux", "lux"),
    "x": ("times", "times"),
}
_MONEY = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_SHORT = {
    "mr.": "mister",
    "mrs.": "missus",
    "ms.": "miss",
    "dr.": "doctor",
    "prof.": "professor",
    "e.g.": "for example,",
    "i.e.": "that is,",
    "etc.": "et cetera",
    "vs.": "versus",
    "approx.": "approximately",
    "a.m.": "AM",
    "p.m.": "PM",
}
_SIGNS = {
    "&": " and ",
    "@": " at ",
    "+": " plus ",
    "=": " equals ",
    "~": " about ",
    "≈": " about ",
    "×": " by ",
}
_FRACTIONS = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
}
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"

_N = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))


def _clock(m: re.Match[str]) -> str:
    hour, minute, second, half = int(m[1]), int(m[2]), m[3], m[4]
    spoken = cardinal(hour) if half and minute == 0 else clock(hour, minute)
    spoken += f" and {_counted(second, 'second', 'seconds')}" if second else ""
    return spoken + (f" {half[0].upper()}M" if half else "")


def _counted(amount: str, one: str, more: str) -> str:
    plain = amount.lstrip("-−0").replace(",", "")
    return f"{number(amount.lstrip('0') or '0')} {one if plain == '1' else more}"


def _money(m: re.Match[str]) -> str:
    (large, small), (whole, _, cents) = _MONEY[m[1]], m[2].partition(".")
    if len(cents) not in (0, 2):
        return f"{number(m[2])} {large}s"
    spoken = [_counted(whole, large, large + "s")] if int(whole.replace(",", "")) or not int(cents or 0) else []
    if int(cents or 0):
        spoken.append(_counted(cents, small, "pence" if small == "penny" else small + "s"))
    return " and ".join(spoken)


def _unit(m: re.Match[str]) -> str:
    one, more = _UNITS[m[2]]
    return _counted(m[1], one, more) if not m[1].startswith("0") else f"{number(m[1])} {more}"


# In order; each sees what the ones before it left.
_READINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        re.compile(r"\b(?:https?://|www\.)(\S+?)/?(?=[\s,;!?]|[.]?\s|[.]?$)"),
        lambda m: m[1].replace(".", " dot "),
    ),
    (re.compile(r"(?<=\w)\.(?=[a-z]{2,4}\b)"), lambda m: " dot "),  # file and host names
    (re.compile(r"(?<=\b[A-Z])\.(?=\d)"), lambda m: " "),  # H.264
    (re.compile(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?:\s*([ap])\.?m\b\.?)?", re.I), _clock),
    (re.compile(r"\b(\d{1,2})\s*([ap])\.?m\b\.?", re.I), lambda m: f"{cardinal(int(m[1]))} {m[2].upper()}M"),
    (re.compile(rf"([$€£])\s?({_N})"), _money),
    (re.compile(r"(?<![\w.])([1-3]/[2-4])(?![\w/])"), lambda m: _FRACTIONS.get(m[1], m[1])),
    (re.compile(r"\b(\d{1,5})\s?[x×]\s?(\d{1,5})\b"), lambda m: f"{number(m[1])} by {number(m[2])}"),
    (re.compile(rf"(?<=\d)\s?[-–]\s?(?={_N})"), lambda m: " to "),
    (re.compile(rf"((?<!\w)[-−]?{_N})\s?({_UNIT})(?![\w/])"), _unit),
    (re.compile(r"\b(\d{1,15})(?:st|nd|rd|th)\b", re.I), lambda m: ordinal(int(m[1]))),
    (
        re.compile(rf"(?i:\b(in|since|from|until|till|by|year|of|{_MONTHS})) ((?:1[1-9]|20)\d\d)(?![\d,.]*\d)"),
        lambda m: f"{m[1]} {year(int(m[2]))}",
    ),
    (
        re.compile(r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])"),
        lambda m: " " + " point ".join(map(digits, m[0].split("."))),
    ),  # versions
    (re.compile(rf"(?<!\w)[-−]?{_N}|\d+"), lambda m: f" {number(m[0])} "),
)
_KEPT = re.compile(r"[^A-Za-z',.;:!?\s]")
_QUOTES = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "`": "'",
        "“": " ",
        "”": " ",
        '"': " ",
        "…": ". ",
        "—": ", ",
        "–": "-",
        "½": " 1/2 ",
        "¼": " 1/4 ",
        "¾": " 3/4 ",
    }
)


def normalise(text: str) -> str:
    """Words, apostrophes and the marks ``, . ; : ! ?`` only, one of ``. ! ?`` at the end.

    Given its own result it changes nothing. It never fails: signs, emoji and letters that are not Latin are
    left out, so the result may be empty.
    """
    text = unicodedata.normalize("NFC", text).translate(_QUOTES)
    text = re.sub(r"[ \t]*\n\s*", lambda m: " ", re.sub(r"(?<=[\w)])[ \t]*\n\s*", ". ", text.strip()))
    text = " ".join(_SHORT.get(word.lower(), word) for word in text.split())
    for pattern, reading in _READINGS:
        text = pattern.sub(reading, text)
    for sign, spoken in _SIGNS.items():
        text = text.replace(sign, spoken)
    text = re.sub(r"[()\[\]{}]|\s-+\s", ", ", text)
    text = _KEPT.sub(" ", _plain_letters(text))
    return _tidy(text)


def _plain_letters(text: str) -> str:
    """é -> e; what has no plain letter stays and is left out later."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _tidy(text: str) -> str:
    text = re.sub(r"(?<![A-Za-z])'+|'+(?![A-Za-z])", " ", re.sub(r"(?<=s)'(?=\s|$)", "", text))
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)  # camelCase
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ?[,.;:!?][ ,.;:!?]*", _strongest, text).strip().lstrip(",.;:!? ")
    return text if not text or text[-1] in ".!?" else text.rstrip(",;:") + "."


def _strongest(m: re.Match[str]) -> str:
    """Of several marks in a row the one that ends a sentence, else the first."""
    marks = m[0].replace(" ", "")
    return next((mark for mark in marks if mark in ".!?"), marks[0]) + " "
