"""Answers that rest on no picture and no sound: greetings, time, help, the state of the senses."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sensorium.answers.asked import Answer, Asked
from sensorium.answers.nouns import in_words, joined, ordinal
from sensorium.answers.phrasing import echo, plain, sentence
from sensorium.answers.senses import missing, present, sees, state_of_all, still_working, usable, why
from sensorium.events import Guess
from sensorium.health import State

FOUND = 0.5  # a looked-for text's probability from which it counts as found
_LAST_SECOND = 253_370_000_000  # end of the year 9998 [s since 1970]: datetime goes no further than 9999
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FIRST_HALF = ("January", "February", "March", "April", "May", "June")
_MONTHS = (*_FIRST_HALF, "July", "August", "September", "October", "November", "December")
_CAN_ASK = "Ask me what I see or hear, how many, where, which colour, or what happened."


def hello(asked: Asked) -> Answer:
    """Hello."""
    return Answer(f"Hello. {state_of_all(asked.scene).split('. ')[0].rstrip('.')}.", present(asked.scene))


def thanks(asked: Asked) -> Answer:
    """Thank you."""
    return Answer("You're welcome.")


def goodbye(asked: Asked) -> Answer:
    """Goodbye."""
    return Answer("Goodbye.")


def stop(asked: Asked) -> Answer:
    """Stop."""
    return Answer("Okay.")


def who_are_you(asked: Asked) -> Answer:
    """Who are you?"""
    return Answer("I am Sensorium. I answer from what I see and hear, on this machine alone.")


def help_(asked: Asked) -> Answer:
    """What can you do?"""
    return Answer(_CAN_ASK)


def unheard(asked: Asked) -> Answer:
    """Nothing was recognised."""
    return Answer("I did not catch that. " + _CAN_ASK)


def not_understood(asked: Asked) -> Answer:
    """What was understood, and what can be asked instead."""
    understood = echo(asked.question)
    return Answer(f"I understood: {understood}. I can't answer that. {_CAN_ASK}") if understood else unheard(asked)


def senses(asked: Asked) -> Answer:
    """How are your senses?"""
    return Answer(state_of_all(asked.scene), present(asked.scene))


def can_you_see(asked: Asked) -> Answer:
    """Can you see?"""
    if sees(asked.scene):
        return Answer("Yes, I can see.", ("vision",))
    return Answer(missing(asked.scene, "vision"), still_working(asked.scene, "vision"))


def can_you_hear(asked: Asked) -> Answer:
    """Can you hear me?"""
    if not usable(asked.scene, "audio"):
        return Answer(missing(asked.scene, "audio"), still_working(asked.scene, "audio"))
    poor = asked.scene.health["audio"].state is State.DEGRADED
    but = f", but {why(asked.scene, 'audio')}" if poor else ""
    return Answer(f"Yes, I can hear you{but}.", ("audio",))


def time(asked: Asked) -> Answer:
    """What time is it?"""
    now = _local_time(asked)
    if now is None:
        return Answer("I don't know what time it is.")
    hour = in_words(now.hour % 12 or 12)
    minute = "o'clock" if now.minute == 0 else f"{'oh ' if now.minute < 10 else ''}{in_words(now.minute)}"
    part = "at night" if now.hour < 6 or now.hour >= 22 else _part_of_day(now.hour)
    return Answer(f"It is {hour} {minute} {part}.")


def day(asked: Asked) -> Answer:
    """What day is it?"""
    now = _local_time(asked)
    if now is None:
        return Answer("I don't know what day it is.")
    return Answer(f"Today is {_DAYS[now.weekday()]}, the {ordinal(now.day)} of {_MONTHS[now.month - 1]}.")


def found(asked: Asked) -> Answer:
    """Did you find what you look for?"""
    looked_for = asked.scene.looked_for
    basis = tuple(m for m in ("vision", "audio") if usable(asked.scene, m))
    if not looked_for:
        return Answer("I was not told to look for anything.")
    if not basis:
        return Answer(state_of_all(asked.scene), present(asked.scene))
    hits = [guess for guess in looked_for if guess.probability >= FOUND]
    if hits:
        return Answer(sentence(f"Yes, I think I have found {_texts(hits, 'and')}"), basis)
    return Answer(sentence(f"No sign of {_texts(looked_for, 'or')} so far"), basis)


def _texts(guesses: Sequence[Guess], word: str) -> str:
    return joined([plain(guess.name) or "something" for guess in guesses[:4]], word)


def _part_of_day(hour: int) -> str:
    return "in the morning" if hour < 12 else "in the afternoon" if hour < 18 else "in the evening"


def _local_time(asked: Asked) -> datetime | None:
    local_s = asked.scene.wall_clock_s + asked.scene.utc_offset_s
    if not math.isfinite(local_s) or asked.scene.wall_clock_s <= 0 or not 0 <= local_s < _LAST_SECOND:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=local_s)
