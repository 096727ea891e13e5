"""Answers from what is seen: what is there, what this is, who."""

from collections.abc import Sequence

from sensorium.answers import history
from sensorium.answers.asked import Answer, Asked, Wanted, wanted
from sensorium.answers.concepts import concept_of
from sensorium.answers.nouns import counted, plural, with_article
from sensorium.answers.phrasing import (
    ago,
    canonical,
    coloured,
    guess_name,
    listed,
    name_of,
    place,
    prominence,
    sentence,
)
from sensorium.answers.senses import missing, present, sees, state_of_all, still_working, usable
from sensorium.clock import NS_PER_S
from sensorium.events import Guess, Thing
from sensorium.scene import Scene

SURE = 0.6  # a classifier's probability from which its name is told without a hedge
LIKELY = 0.3  # and from which it is told at all
OLD_NS = 5 * NS_PER_S  # a picture older than this is told with its age

SEEN = ("vision",)


def unseen(asked: Asked, before: str = "") -> Answer:
    """That there is nothing to see with, why, and what still works."""
    text = f"{missing(asked.scene, 'vision')} {before}".strip()
    return Answer(text, still_working(asked.scene, "vision"))


def describe(asked: Asked) -> Answer:
    """What do you see?"""
    if not sees(asked.scene):
        return unseen(asked)
    return Answer(sentence(f"{_when(asked.scene)}{_all_seen(asked.scene)}"), SEEN)


def see_and_hear(asked: Asked) -> Answer:
    """What do you see and hear? What neither sense tells, the state of the senses does."""
    if not usable(asked.scene, "vision") and not usable(asked.scene, "audio"):
        return Answer(state_of_all(asked.scene), present(asked.scene))
    seen = describe(asked)
    sounds = history.sounds(asked)
    if not sounds or not sees(asked.scene):
        return seen
    return Answer(f"{seen.text} {sentence(f'I heard {sounds}')}", ("vision", "audio"))


def what_is_this(asked: Asked) -> Answer:
    """What is this? The name of the whole picture, else the thing that fills it most."""
    scene = asked.scene
    if not sees(scene):
        return unseen(asked)
    best, main = _best(scene), main_thing(scene.things)
    if best and (main is None or concept_of(best.name) == canonical(main.label) or best.probability >= SURE):
        return Answer(sentence(f"{hedge(best)} {with_article(guess_name(best.name))}"), SEEN)
    if main is None:
        return Answer("I can see, but I am not sure what this is.", SEEN)
    return Answer(sentence(f"It looks like {coloured(main)}"), SEEN)


def is_there(asked: Asked) -> Answer:
    """Do you see one? With where, for one; with what is seen instead, for none."""
    want = meant(asked)
    if not sees(asked.scene):
        return unseen(asked, history.last_seen(asked.scene, want))
    found = [thing for thing in asked.scene.things if want.matches(thing)]
    if found:
        start = _when(asked.scene) or ("" if want.said else "yes, ")
        where = place(found[0]) if len(found) == 1 else ""
        return Answer(sentence(f"{start}I see {listed(found)} {where}"), SEEN)
    return not_found(asked.scene, want)


def who(asked: Asked) -> Answer:
    """Who is there? People are counted, not known."""
    if not sees(asked.scene):
        return unseen(asked)
    people = sum(canonical(thing.label) == "person" for thing in asked.scene.things)
    if not people:
        return Answer("I see nobody.", SEEN)
    return Answer(f"I see {counted(people, 'person')}, but I don't know who.", SEEN)


def sees_me(asked: Asked) -> Answer:
    """Can you see me?"""
    if not sees(asked.scene):
        return unseen(asked)
    people = sum(canonical(thing.label) == "person" for thing in asked.scene.things)
    if not people:
        return Answer("I can see, but I don't notice a person.", SEEN)
    return Answer(f"Yes, I see {counted(people, 'person')}.", SEEN)


def main_thing(things: Sequence[Thing]) -> Thing | None:
    """The thing that fills the picture most."""
    return max(things, key=prominence, default=None)


def meant(asked: Asked) -> Wanted:
    """What the question's noun means."""
    return wanted(asked.noun, asked.scene, asked.near)


def _when(scene: Scene) -> str:
    """``in my picture from twelve seconds ago`` before what an old picture showed, else nothing."""
    age_ns = scene.now_ns - scene.seen_ns
    return f"in my picture from {ago(age_ns)}, " if age_ns >= OLD_NS else ""


def _best(scene: Scene) -> Guess | None:
    best = scene.names[0] if scene.names else None
    return best if best and best.probability >= LIKELY else None


def hedge(guess: Guess) -> str:
    """How sure a name is told."""
    return "it looks like" if guess.probability >= SURE else "it may be"


def _all_seen(scene: Scene) -> str:
    """Things, then the picture's own name where it says something that they do not."""
    best = _best(scene)
    name = with_article(guess_name(best.name)) if best else ""
    if not scene.things:
        return f"{hedge(best)} {name}" if best else "I can see, but I recognise nothing"
    told = f"I see {listed(scene.things)}"
    if best is None:
        return told
    kin = [thing for thing in scene.things if canonical(thing.label) == concept_of(best.name)]
    if not kin and best.name.lower() not in (thing.label.lower() for thing in scene.things):
        return f"{told}, and {'what looks like' if best.probability >= SURE else 'perhaps'} {name}"
    specific = len(kin) == 1 and guess_name(best.name).lower() != name_of(kin[0].label)
    if specific and best.probability >= SURE:
        return f"{told}. I think the {name_of(kin[0].label)} is {name}"
    return told


def named(scene: Scene, want: Wanted) -> Guess | None:
    """A likely name of the whole picture that is what is meant; a colour cannot be told of it."""
    likely = [g for g in scene.names if g.probability >= LIKELY and want.names(g)]
    return likely[0] if likely and not want.colour else None


def not_found(scene: Scene, want: Wanted, *, many: bool = False) -> Answer:
    """That none is seen, or only by the picture's name, or only in another colour."""
    likely = named(scene, want)
    if likely:
        return Answer(sentence(f"I think so, {hedge(likely)} {with_article(guess_name(likely.name))}"), SEEN)
    otherwise = [thing for thing in scene.things if want.covers(thing)]
    colour = f"{want.colour} " if want.colour else ""
    if otherwise and want.colour:
        return Answer(sentence(f"I see {listed(otherwise)}, but none that I would call {want.colour}"), SEEN)
    if want.everything:
        return Answer("I can see, but I recognise nothing." if not colour else f"I see nothing {want.colour}.", SEEN)
    if want.labels == {"person"} and not many:
        return Answer("I don't see anybody.", SEEN)
    noun = want.said or want.noun
    one = with_article(colour + noun).replace("some ", "any ", 1)
    none = f"I see no {colour}{plural(noun)}" if many else f"I don't see {one}"
    return Answer(f"{none}." if want.known else f"{none}, but I may not know one when I see it.", SEEN)
