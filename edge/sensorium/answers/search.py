"""Answers about what is looked for: now, before, or by the texts that the session was told to look for."""

import re
from dataclasses import replace

from sensorium.answers import history, sight, talk
from sensorium.answers.asked import Answer, Asked, wanted
from sensorium.answers.concepts import EVERYTHING
from sensorium.answers.senses import sees
from sensorium.answers.wording import normalised


def did_see(asked: Asked) -> Answer:
    """Did you see one? Now, else before."""
    now = sight.is_there(asked)
    want = wanted(asked.noun, asked.scene, asked.near)
    if not sees(asked.scene) or any(want.matches(thing) for thing in asked.scene.things):
        return now
    return Answer(f"{now.text} {history.did_see(asked)}".strip(), now.because)


def looked_for(asked: Asked) -> Answer:
    """Any sign of it? From what was looked for, if it is that, else from what is seen."""
    noun = re.sub(r"^(?:the|a|an|any|my|your) ", "", asked.noun)
    meant = [guess for guess in asked.scene.looked_for if noun and noun in normalised(guess.name)]
    if meant and noun not in EVERYTHING:
        return talk.found(replace(asked, scene=replace(asked.scene, looked_for=tuple(meant))))
    if not noun or noun in EVERYTHING | {"it", "them", "that", "him", "her"}:
        return talk.found(asked)
    return did_see(asked)
