"""Answers about things that are seen: how many, where, which colour, beside what."""

from collections.abc import Sequence

from sensorium.answers import history, sight
from sensorium.answers.asked import Answer, Asked, Wanted
from sensorium.answers.nouns import counted, in_words, joined, plural, with_article
from sensorium.answers.phrasing import (
    canonical,
    colour_of,
    coloured,
    gap,
    groups,
    guess_name,
    listed,
    name_of,
    place,
    sentence,
    the,
)
from sensorium.answers.senses import sees
from sensorium.events import Thing
from sensorium.scene import Scene

_NEAR_GAP = 0.15  # share of the picture between two boxes that are near each other
_MOST_PLACES = 3  # places told of one kind of thing


def count(asked: Asked) -> Answer:
    """How many of these are there?"""
    if not sees(asked.scene):
        return sight.unseen(asked)
    want = sight.meant(asked)
    found = [thing for thing in asked.scene.things if want.matches(thing)]
    if not found:
        return _none_counted(asked.scene, want)
    if want.everything or len(want.labels) > 1:
        return Answer(sentence(f"I see {_counted_kinds(want, found)}"), sight.SEEN)
    return Answer(sentence(f"I see {counted(len(found), want.noun, want.colour)}"), sight.SEEN)


def where(asked: Asked) -> Answer:
    """Where is it?"""
    want = sight.meant(asked)
    if not sees(asked.scene):
        return sight.unseen(asked, history.last_seen(asked.scene, want))
    found = _sorted_across([thing for thing in asked.scene.things if want.matches(thing)])
    if not found:
        return sight.is_there(asked)
    if len(found) == 1:
        return Answer(sentence(_one_place(found[0], asked.scene.things)), sight.SEEN)
    return Answer(sentence(_places(want, found)), sight.SEEN)


def colour(asked: Asked) -> Answer:
    """What colour is it?"""
    scene = asked.scene
    if not sees(scene):
        return sight.unseen(asked)
    main = sight.main_thing(scene.things)
    found = [t for t in scene.things if sight.meant(asked).matches(t)] if asked.noun else [main] if main else []
    if not found:
        return sight.is_there(asked) if asked.noun else Answer("I am not sure what you mean.", sight.SEEN)
    return Answer(sentence(_colours(found)), sight.SEEN)


def has_colour(asked: Asked) -> Answer:
    """Is the cup red?"""
    want = sight.meant(asked)
    found = [thing for thing in asked.scene.things if want.covers(thing)]
    if not sees(asked.scene) or not found:
        return sight.is_there(asked)
    agrees = all(colour_of(thing) == asked.other for thing in found)
    denies = all(colour_of(thing) not in ("", asked.other) for thing in found)
    start = "Yes, " if agrees else "No, " if denies else ""
    return Answer(sentence(f"{start}{_colours(found)}"), sight.SEEN)


def at_place(asked: Asked) -> Answer:
    """What is on the left?"""
    if not sees(asked.scene):
        return sight.unseen(asked)
    side = {"centre": "middle", "center": "middle", "above": "top"}.get(asked.noun, asked.noun)
    found = [thing for thing in asked.scene.things if side in place(thing).split(" ")]
    spoken = f"{'on' if side in ('left', 'right') else 'in' if side == 'middle' else 'at'} the {side}"
    if not found:
        return Answer(f"I notice nothing {spoken}.", sight.SEEN)
    return Answer(sentence(f"{spoken} I see {listed(found)}"), sight.SEEN)


def beside(asked: Asked) -> Answer:
    """What is next to the cup?"""
    if not sees(asked.scene):
        return sight.unseen(asked)
    found = [thing for thing in asked.scene.things if sight.meant(asked).matches(thing)]
    if not found:
        return sight.is_there(asked)
    near = [t for t in asked.scene.things if t not in found and gap(t, found[0]) <= _NEAR_GAP]
    start = f"near {the(found[0].label)}"
    return Answer(sentence(f"{start} I see {listed(near)}" if near else f"I notice nothing {start}"), sight.SEEN)


def doing(asked: Asked) -> Answer:
    """What is the person doing? A still picture's things do not tell."""
    answer = sight.is_there(asked)
    found = sees(asked.scene) and any(sight.meant(asked).matches(thing) for thing in asked.scene.things)
    return Answer(f"{answer.text[:-1]}, but I can't tell more.", answer.because) if found else answer


def _counted_kinds(want: Wanted, found: Sequence[Thing]) -> str:
    kinds = groups(found)
    if len(kinds) == 1:
        return listed(found)
    number = f"{in_words(len(found))} {f'{want.colour} ' if want.colour else ''}"
    return f"{number}{'things' if want.everything else plural(want.noun)}, {listed(found)}"


def _none_counted(scene: Scene, want: Wanted) -> Answer:
    likely = sight.named(scene, want)
    if likely:
        return Answer(
            sentence(f"I can't count them, but {sight.hedge(likely)} {with_article(guess_name(likely.name))}"),
            sight.SEEN,
        )
    return sight.not_found(scene, want, many=True)


def _sorted_across(things: Sequence[Thing]) -> list[Thing]:
    return sorted(things, key=lambda t: (t.box[0] + t.box[2], t.box))


def _one_place(thing: Thing, things: Sequence[Thing]) -> str:
    others = [t for t in things if canonical(t.label) != canonical(thing.label)]
    closest = min(others, key=lambda t: gap(t, thing), default=None)
    near = f", near {the(closest.label)}" if closest and gap(closest, thing) <= _NEAR_GAP else ""
    return f"{the(thing.label)} is {place(thing) or 'somewhere in the picture'}{near}"


def _places(want: Wanted, found: Sequence[Thing]) -> str:
    same = len({canonical(t.label) for t in found}) == 1
    total = counted(len(found), name_of(found[0].label) if same else "thing", want.colour)
    each = [f"{'one' if same else coloured(t)} {place(t)}".strip() for t in found[:_MOST_PLACES]]
    more = [f"{in_words(len(found) - _MOST_PLACES)} more"] if len(found) > _MOST_PLACES else []
    return f"I see {total}, {joined([*each, *more])}"


def _colours(found: Sequence[Thing]) -> str:
    colours = [colour_of(thing) for thing in found]
    known = [c for c in dict.fromkeys(colours) if c]
    label = name_of(found[0].label)
    if not known:
        return f"I see {listed(found)}, but I can't tell the colour"
    if len(found) == 1:
        return f"the {label} is {known[0]}"
    if len(known) == 1 and "" not in colours:
        return f"the {plural(label)} are {known[0]}"
    return f"I see {joined([coloured(thing) for thing in found[:4]])}"
