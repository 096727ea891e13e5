"""Answers from what happened, what was heard, and what was said before."""

import re

from sensorium.answers.asked import Answer, Asked, Wanted, wanted
from sensorium.answers.nouns import in_words, joined, singular
from sensorium.answers.phrasing import ago, canonical, echo, name_of, plain, sentence
from sensorium.answers.senses import missing, still_working, usable
from sensorium.answers.wording import normalised
from sensorium.clock import NS_PER_S
from sensorium.scene import FORGET_SOUND_NS, Happening, HeardSound, Scene

LATELY_NS = 60 * NS_PER_S  # what "what happened" means when no time is said
MOST_CLAUSES = 3  # told at once; a listener does not keep more
_MOST_SOUNDS = 3
_SURE_SOUND = 0.5  # a sound head's calibrated probability from which a sound is told without a hedge
_SILENCE = frozenset(["silence", "background", "background noise", "nothing", "unknown", "speech", "noise"])
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_NUMBERS = {in_words(n): n for n in range(1, 61)} | {"couple of": 2, "few": 3, "half a": 0.5, "a": 1, "an": 1}
_STOPPED = re.compile(r" (?:stopped|is (?:dark|covered|frozen|over-exposed|muted)|went away|was lost)$")
_APPEARED = re.compile(r"^an? (?P<label>.+) (?P<how>appeared|went away)$")


def what_happened(asked: Asked) -> Answer:
    """What happened, lately or in the time that was said?"""
    since_ns = _since(asked)
    told = [h for h in asked.scene.happenings if since_ns <= h.at_ns and not _is_talk(h)]
    if not told:
        span = f" since {ago(asked.scene.now_ns - since_ns)}" if since_ns > 0 else ""
        return Answer(f"I noticed no change{span}.".replace("since just now", "just now"))
    return _told(told, asked.scene)


def what_was_missed(asked: Asked) -> Answer:
    """What did I miss? What happened since a sense last failed."""
    breaks = [h for h in asked.scene.happenings if _STOPPED.search(h.text) and not _APPEARED.match(h.text)]
    since_ns = breaks[-1].at_ns if breaks else asked.scene.now_ns - LATELY_NS
    told = [h for h in asked.scene.happenings if since_ns <= h.at_ns and not _is_talk(h)]
    if not told:
        return Answer("Nothing that I noticed.")
    return _told(told, asked.scene)


def when(asked: Asked) -> Answer:
    """When did that happen? The last happening that shares the question's words."""
    words = _stems(asked.noun)
    found = [h for h in asked.scene.happenings if words and words <= _stems(h.text) and not _is_talk(h)]
    if not found:
        return Answer(f"I remember nothing of {echo(asked.noun) or 'that'}.")
    return _told(found[-1:], asked.scene)


def last_seen(scene: Scene, want: Wanted) -> str:
    """A sentence on when one came or went last, from what happened; "" if never."""
    for happening in reversed(scene.happenings):
        match = _APPEARED.match(happening.text)
        if match and (want.everything or canonical(match["label"]) in (want.labels | {want.noun})):
            came = name_of(match["label"])
            return sentence(f"The last I know, the {came} {match['how']} {ago(scene.now_ns - happening.at_ns)}")
    return ""


def did_see(asked: Asked) -> str:
    """When one was seen before, for a question in the past."""
    return last_seen(asked.scene, wanted(asked.noun, asked.scene, asked.near))


def sounds(asked: Asked) -> str:
    """The sounds of the last moments as a list; "" for none."""
    return joined([_sound(sound, asked.scene) for sound in _told_sounds(asked.scene)[:_MOST_SOUNDS]])


def what_heard(asked: Asked) -> Answer:
    """What do you hear?"""
    heard = sounds(asked)
    if not usable(asked.scene, "audio"):
        before = f" Before that I heard {heard}." if heard else ""
        return Answer(f"{missing(asked.scene, 'audio')}{before}", still_working(asked.scene, "audio"))
    if not heard:
        return Answer("I hear nothing special.", ("audio",))
    return Answer(sentence(f"I heard {heard}"), ("audio",))


def did_hear(asked: Asked) -> Answer:
    """Did you hear a dog?"""
    words = _stems(asked.noun)
    found = [s for s in _told_sounds(asked.scene) if words & _stems(s.name)]
    if not usable(asked.scene, "audio") and not found:
        return Answer(missing(asked.scene, "audio"), still_working(asked.scene, "audio"))
    if found:
        heard = f"{plain(found[0].name) or 'something'} {ago(asked.scene.now_ns - found[0].at_ns)}"
        sure = found[0].probability >= _SURE_SOUND
        return Answer(f"{'Yes, I' if sure else 'I may have'} heard {heard}.", ("audio",))
    heard = sounds(asked)
    seconds = in_words(FORGET_SOUND_NS // NS_PER_S)
    start = f"I did not hear that in the last {seconds} seconds"
    return Answer(sentence(f"{start}, but I heard {heard}" if heard else start), ("audio",))


def what_user_said(asked: Asked) -> Answer:
    """What did I say?"""
    earlier = [text for text in _earlier(asked) if echo(text)]
    if not earlier:
        return Answer("You have not said anything before that.")
    return Answer(sentence(f"You said: {echo(earlier[-1])}"), _heard_by(asked.scene, earlier[-1]))


def what_i_said(asked: Asked) -> Answer:
    """What did you say? Repeat that."""
    spoken = plain(asked.scene.replies[-1]) if asked.scene.replies else ""
    if not spoken:
        return Answer("I have not said anything yet.")
    return Answer(sentence(spoken if spoken.startswith("I said") else f"I said: {spoken}"))


def _earlier(asked: Asked) -> tuple[str, ...]:
    """The user's utterances before this question."""
    said = asked.scene.said
    return said[:-1] if said and normalised(said[-1]) == asked.words else said


def _heard_by(scene: Scene, text: str) -> tuple[str, ...]:
    spoken = f"you said: {text.rstrip('.!?')}"
    return tuple(h.modality for h in scene.happenings[::-1] if h.text == spoken)[:1]


def _told(told: list[Happening], scene: Scene) -> Answer:
    """The failures and returns of senses first, for they matter most; then the newest of what came and went."""
    senses: dict[str, list[Happening]] = {}
    for happening in told:
        if not (_APPEARED.match(happening.text) or happening.text.startswith("I heard ")):
            senses.setdefault(happening.modality, []).append(happening)
    others = _together([h for h in told if h not in senses.get(h.modality, [])])
    kept = others[len(others) - max(0, MOST_CLAUSES - len(senses)) :]
    clauses = [_sense(changes, scene) for changes in senses.values()]
    clauses += [f"{text} {ago(scene.now_ns - at_ns)}" for text, at_ns in kept]
    return Answer(sentence(joined(clauses)), tuple(dict.fromkeys(h.modality for h in told)))


def _sense(changes: list[Happening], scene: Scene) -> str:
    """How one sense failed last, and whether it is back: ``the camera stopped six seconds ago and came back``."""
    last = changes[-1]
    clause = f"{_in_the_past(last, scene)} {ago(scene.now_ns - last.at_ns)}"
    if len(changes) == 1 or not last.text.endswith(" is working"):
        return clause
    failed = changes[-2]
    device = last.text.removesuffix(" is working")
    return f"{_in_the_past(failed, scene)} {ago(scene.now_ns - failed.at_ns)} but {clause.removeprefix(f'{device} ')}"


def _together(happenings: list[Happening]) -> list[tuple[str, int]]:
    """What came or went at one moment in one clause: ``a vase and a laptop appeared``, with its time."""
    told: list[tuple[list[str], str, int]] = []
    for happening in happenings:
        match = _APPEARED.match(happening.text)
        subject, how = happening.text, ""
        if match:
            subject, how = happening.text.removesuffix(f" {match['how']}"), match["how"]
        if told and how and told[-1][1:] == (how, happening.at_ns):
            told[-1][0].append(subject)
        else:
            told.append(([subject], how, happening.at_ns))
    return [(plain(f"{joined(subjects)} {how}".strip()) or "something changed", at_ns) for subjects, how, at_ns in told]


def _in_the_past(happening: Happening, scene: Scene) -> str:
    """The clause as something that is over: ``the camera is dark`` -> ``the camera was dark``."""
    text = plain(happening.text) or "something changed"
    again = any(h.at_ns < happening.at_ns and h.modality == happening.modality for h in scene.happenings)
    return text.replace(" is working", " came back" if again else " started").replace(" is ", " was ")


def _since(asked: Asked) -> int:
    """The time [ns] from which on happenings are asked for."""
    now_ns, words = asked.scene.now_ns, asked.words
    span = re.search(r"(?:last|past) (?:(?P<number>[\w ]+?) )?(?P<unit>second|minute|hour)s?\b", words)
    if span:
        number = span["number"] or "one"
        count = float(number) if number.isdecimal() else _NUMBERS.get(number, 1)
        return now_ns - int(min(count, 1e6) * _SECONDS[span["unit"]] * NS_PER_S)
    if match := re.search(r"\b(?:since|after|when|while) (?P<clause>.+)$", words):
        stems = _stems(match["clause"])
        marks = [(len(stems & _stems(h.text)), h.at_ns) for h in asked.scene.happenings if not _is_talk(h)]
        shared, at_ns = max(marks, default=(0, 0))
        return at_ns if shared else now_ns - LATELY_NS
    return now_ns - LATELY_NS


def _told_sounds(scene: Scene) -> list[HeardSound]:
    return [sound for sound in scene.sounds if sound.name.lower() not in _SILENCE]


def _sound(sound: HeardSound, scene: Scene) -> str:
    hedge = "" if sound.probability >= _SURE_SOUND else "perhaps "
    return f"{hedge}{plain(sound.name) or 'something'} {ago(scene.now_ns - sound.at_ns)}"


_EMPTY_WORDS = """
a an the my your any some of it i you is are was were do does did that this sound noise hear heard said
happened something anything went came became got turned go last
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())
_SAME = dict.fromkeys(["fail", "brok", "break", "die", "disconnect", "lost", "unplug", "end"], "stop")


def _stems(text: str) -> frozenset[str]:
    """The words that carry meaning, without their endings."""
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return frozenset(_stem(word) for word in words if word not in _EMPTY)


def _stem(word: str) -> str:
    """``stopped`` -> ``stop``, ``barking`` -> ``bark``: crude, but the same for all forms of a word."""
    word = singular(word)
    for ending in ("ing", "ed", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
    word = word[:-1] if len(word) > 3 and word[-1] == word[-2] else word
    return _SAME.get(word, word)


def _is_talk(happening: Happening) -> bool:
    return happening.text.startswith("you said")
