"""Numbers in English words, the American way: 1,234 -> "one thousand two hundred thirty four"."""

_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_FROM_TWENTY = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = _TO_NINETEEN.split()
_TENS = ["", "", *_FROM_TWENTY.split()]
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MAX_DIGITS = 15  # what the scales reach; longer ones are read digit by digit


def cardinal(number: int) -> str:
    """Any whole number in words; beyond ``MAX_DIGITS`` digit by digit."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _TENS[number // 10] + (f" {_ONES[number % 10]}" if number % 10 else "")
    for size, name in _SCALES:
        if number >= size and number < 1000 * size:
            rest = f" {cardinal(number % size)}" if number % size else ""
            return f"{cardinal(number // size)} {name}{rest}"
    return digits(str(number))


def ordinal(number: int) -> str:
    """1 -> "first", 21 -> "twenty first"."""
    *start, last = cardinal(number).split()
    if last in _ORDINALS:
        return " ".join([*start, _ORDINALS[last]])
    return " ".join([*start, last.removesuffix("y") + "ieth" if last.endswith("y") else last + "th"])


def digits(text: str) -> str:
    """Digit by digit: "007" -> "zero zero seven"."""
    return " ".join(_ONES[int(c)] for c in text if c.isdecimal())


def number(text: str) -> str:
    """A written number: sign, thousands' commas and a decimal point allowed: "-1,234.50"."""
    sign = "minus " if text.startswith(("-", "−")) else ""
    whole, _, fraction = text.lstrip("-−+").replace(",", "").partition(".")
    if len(whole) > MAX_DIGITS or (len(whole) > 1 and whole.startswith("0")):
        spoken = digits(whole)
    else:
        spoken = cardinal(int(whole or "0"))
    return sign + spoken + (f" point {digits(fraction)}" if fraction else "")


def year(number: int) -> str:
    """1984 -> "nineteen eighty four", 2005 -> "two thousand five", 2026 -> "twenty twenty six"."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10 or number < 1000:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {cardinal(rest) if rest > 9 else 'oh ' + cardinal(rest)}"


def clock(hour: int, minute: int) -> str:
    """7:45 "seven forty five", 7:05 "seven oh five", 7:00 "seven o'clock", 15:00 "fifteen hundred"."""
    if minute == 0:
        return f"{cardinal(hour)} o'clock" if 0 < hour <= 12 else f"{cardinal(hour)} hundred"
    return f"{cardinal(hour)} {cardinal(minute) if minute > 9 else 'oh ' + cardinal(minute)}"
