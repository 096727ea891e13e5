"""English words as they are said: plurals, articles, numbers, lists. Small tables and rules."""

from collections.abc import Sequence

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "ox": "oxen",
    "knife": "knives",
    "wife": "wives",
    "leaf": "leaves",
    "loaf": "loaves",
    "wolf": "wolves",
    "shelf": "shelves",
    "scarf": "scarves",
    "calf": "calves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "bus": "buses",
    "lens": "lenses",
    "cookie": "cookies",
    "movie": "movies",
    "pie": "pies",
    "axe": "axes",
    "magpie": "magpies",
    "collie": "collies",
    "taxi": "taxis",
    "minibus": "minibuses",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "bison": "bison",
    "aircraft": "aircraft",
    "spacecraft": "spacecraft",
    "broccoli": "broccoli",
    "furniture": "furniture",
    "fruit": "fruit",
    "food": "food",
    "cattle": "cattle",
}
_SINGULAR = {plural: word for word, plural in _IRREGULAR.items()} | {"fruits": "fruit", "foods": "food"}
_PAIRS = {
    "scissors",
    "skis",
    "binoculars",
    "jeans",
    "sunglasses",
    "tights",
    "pajamas",
    "clogs",
    "trousers",
    "shorts",
}
_MASS = {
    "broccoli",
    "furniture",
    "food",
    "fruit",
    "cattle",
    "hay",
    "dough",
    "corn",
    "ice cream",
    "wool",
    "music",
}
_MASS |= {
    "guacamole",
    "consomme",
    "carbonara",
    "meatloaf",
    "mashed potatoes",
    "toilet paper",
    "red wine",
    "espresso",
}

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["_", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"}
_ORDINALS |= {"nine": "ninth", "twelve": "twelfth"}
_AN_BY_EAR = ("hour", "honest", "x-ray")
_A_BY_EAR = ("uni", "use", "euro", "one-", "ukulele")


def plural(noun: str) -> str:
    """More than one of it: ``cups``, ``wine glasses``, ``people``, ``scissors``."""
    *first, word = noun.split(" ")
    return " ".join([*first, _plural_word(word)])


def singular(noun: str) -> str:
    """One of it: ``people`` -> ``person``; a word that is no plural is returned as it is."""
    *first, word = noun.split(" ")
    return " ".join([*first, _singular_word(word)])


def with_article(noun: str) -> str:
    """``a cup``, ``an apple``, ``some broccoli``, ``a pair of scissors``."""
    if noun in _MASS or noun.split(" ")[-1] in _MASS:
        return f"some {noun}"
    return f"{article(noun)} pair of {noun}".replace("an pair", "a pair") if _is_pair(noun) else a(noun)


def a(phrase: str) -> str:
    """The phrase after ``a`` or ``an``, by its sound as far as spelling shows it."""
    return f"{article(phrase)} {phrase}"


def article(phrase: str) -> str:
    """``a`` or ``an`` for this phrase."""
    word = phrase.lower()
    if word.startswith(_AN_BY_EAR):
        return "an"
    return "an" if word[:1] in set("aeiou") and not word.startswith(_A_BY_EAR) else "a"


def counted(count: int, noun: str, adjective: str = "") -> str:
    """So many of it: ``two red cups``, ``a cat``, ``two pairs of scissors``, ``no cups``."""
    described = f"{adjective} {noun}".strip()
    if count == 1:
        return with_article(described)
    number = "no" if count == 0 else in_words(count)
    if _is_pair(noun) and count > 1:
        return f"{number} pairs of {described}"
    return f"{number} {adjective} {plural(noun)}".replace("  ", " ")


def in_words(number: int) -> str:
    """A whole number in words, because a voice may stumble over digits; from a million on ``very many``."""
    if number < 0:
        return f"minus {in_words(-number)}"
    if number < 20:
        return _UNITS[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_UNITS[number % 10]}" if number % 10 else "")
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if size <= number < size * 1000:
            rest = f" {in_words(number % size)}" if number % size else ""
            return f"{in_words(number // size)} {name}{rest}"
    return "very many"


def ordinal(number: int) -> str:
    """``first``, ``twenty-third``."""
    *first, last = in_words(number).split("-")
    default = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return "-".join([*first, _ORDINALS.get(last, default)])


def joined(parts: Sequence[str], word: str = "and") -> str:
    """A spoken list: ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}" if parts else ""


def _is_pair(noun: str) -> bool:
    return noun.split(" ")[-1] in _PAIRS


def _plural_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _PAIRS or word in _SINGULAR:
        return word
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"


def _singular_word(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _PAIRS or word in _IRREGULAR or len(word) < 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
