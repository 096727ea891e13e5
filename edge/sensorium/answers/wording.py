"""A question as it was recognised or typed, brought into the one form that the rules are written for."""

import re
import unicodedata

LONGEST_QUESTION = 300  # characters that are looked at; nobody asks a longer one in a breath

_SPELLING = (
    (r"\bcan(?:no|')?t\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"\b(do|did|does|is|are|was|were|have|has|could|would)n'?t\b", r"\1 not"),
    (r"\b(what|where|who|how|there|that|when)'?s\b", r"\1 is"),
    (r"\b(it|he|she|something|anything)'s\b", r"\1 is"),
    (r"\b(what|where|who|how|you|they|we)'re\b", r"\1 are"),
    (r"\bi'm\b", "i am"),
    (r"\b(i|you|we)'ve\b", r"\1 have"),
    (r"\bcolors?\b", "colour"),
    (r"\bgray\b", "grey"),
    (r"\bmic\b", "microphone"),
)
# What a recogniser writes for what was said, where the other words leave no doubt.
_MISHEARD = (
    (r"\b(you|u) (?:sea|seas|c|si|seat)\b", "you see"),
    (r"\byou here\b(?! (?:is|are))", "you hear"),
    (r"^what (do|can) you say(?: now| there)?$", "what do you see"),
    (r"\b(?:uc|u c)\b", "you see"),
    (r"^(?:wear|ware|were|wares|where as) (is|are|the)\b", r"where \1"),
    (r"^where the (?=\w+$)", "where is the "),
    (r"\b(is|are) (?:their|they're)\b", r"\1 there"),
    (r"\b(?:hominy|how manny|how any|home any|how many are)\b(?! there| these)", "how many"),
    (r"\b(?:collar|caller|culler)\b(?= is| are| of| does)", "colour"),
    (r"^(?:watt|wot|wat|what what)\b", "what"),
    (r"^what (do|did|can) (?:your|ya|we)\b (?=see|hear|say)", r"what \1 you "),
)
_LEAD = re.compile(
    r"^(?:hey|hello|hi|ok|okay|so|well|um|uh|er|erm|hmm|ah|oh|please|now|then|sensorium|computer|robot|"
    r"assistant|"
    r"(?:can|could|would|will) you (?:please )?(?:tell|say to) me(?: about)?|(?:please )?tell me(?: about)?|"
    r"do you know(?! me| who i)|i (?:want|would like|need) to know|i wonder|excuse me|"
    r"and(?= (?:what|where|how|who|is|are|do))|"
    r"(?:can|could|would|will) you please|let me know|say(?= what) )\b ?"
)
_TRAIL = re.compile(
    r" (?:please|right now|now|at the moment|at this moment|currently|today|for me|exactly|then|actually|"
    r"sensorium|computer|robot|thanks|thank you|if you can|or not|just now|again please)$"
)


def normalised(question: str) -> str:
    """Lower case, no punctuation, contractions, politeness: ``Hey, what's THAT?`` is ``what is that``."""
    text = unicodedata.normalize("NFKC", question[:LONGEST_QUESTION]).lower().replace("’", "'")
    text = _substituted(_spaced(text), _SPELLING).replace("'", "")
    return _substituted(_without_politeness(_spaced(text)), _MISHEARD)


def _spaced(text: str) -> str:
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in text).split())


def _substituted(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in table:
        text = re.sub(pattern, replacement, text)
    return text


def _without_politeness(text: str) -> str:
    """Without the words before and behind a question; what is only such words stays."""
    while True:
        shorter = _TRAIL.sub("", _LEAD.sub("", text, count=1), count=1).strip()
        if not shorter or shorter == text:
            return text
        text = shorter
