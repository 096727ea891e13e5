"""What is answered to what, over scenes; and what holds for any question and any scene."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.answers import answer
from sensorium.answers.concepts import LABELS, concept_of, known_nouns, label_of
from sensorium.answers.nouns import counted, in_words, ordinal, plural, singular
from sensorium.clock import NS_PER_S
from sensorium.events import Guess, Thing
from sensorium.health import Health, State
from sensorium.scene import Happening, HeardSound, Scene

NOW = 100 * NS_PER_S
LIVE = Health(State.LIVE)
WELL = {"vision": LIVE, "audio": LIVE, "text": LIVE}


def seconds_ago(seconds: float) -> int:
    return NOW - int(seconds * NS_PER_S)


KITCHEN = Scene(
    now_ns=NOW,
    health=WELL,
    seen_ns=seconds_ago(0.1),
    things=(
        Thing("cup", 0.9, (0.05, 0.5, 0.25, 0.7), "red"),
        Thing("cup", 0.8, (0.7, 0.5, 0.9, 0.7), "red"),
        Thing("cat", 0.9, (0.3, 0.3, 0.65, 0.9), "black"),
    ),
    names=(Guess("tabby cat", 0.4), Guess("tub", 0.1)),
    sounds=(HeardSound("a dog barking", 0.9, seconds_ago(3)), HeardSound("rain", 0.4, seconds_ago(0.5))),
    said=("Where is the cat?",),
    replies=("The cat is in the middle.",),
    happenings=(
        Happening(seconds_ago(90), "a cat appeared", "vision"),
        Happening(seconds_ago(40), "the camera stopped", "vision"),
        Happening(seconds_ago(30), "the camera is working", "vision"),
        Happening(seconds_ago(20), "you said: Where is the cat", "audio"),
        Happening(seconds_ago(3), "I heard a dog barking", "audio"),
    ),
    looked_for=(Guess("a red cup", 0.8), Guess("a person waving", 0.1)),
    wall_clock_s=1_795_477_380.0,  # 2026-11-23 23:43 UTC
    utc_offset_s=3600,
)
STREET = replace(
    KITCHEN,
    things=(
        Thing("person", 0.9, (0.0, 0.2, 0.2, 0.9), "blue"),
        Thing("person", 0.8, (0.8, 0.2, 1.0, 0.9)),
        Thing("car", 0.9, (0.3, 0.4, 0.7, 0.8), "white"),
        Thing("traffic light", 0.6, (0.4, 0.0, 0.45, 0.2)),
        Thing("tv", 0.6, (0.75, 0.8, 0.95, 1.0)),
        Thing("bicycle", 0.6, (0.05, 0.8, 0.15, 1.0)),
    ),
    names=(Guess("golden retriever", 0.7),),
)
BEACH = replace(KITCHEN, things=(), names=(Guess("beach", 0.8),), sounds=())
UNSURE = replace(BEACH, names=(Guess("coffee mug", 0.4),))
EMPTY = replace(BEACH, names=(), happenings=(), said=(), replies=(), looked_for=(), wall_clock_s=0.0)


def blind(health: Health) -> Scene:
    return replace(KITCHEN, health={**WELL, "vision": health}, seen_ns=0, things=(), names=())


def without(*modalities: str) -> Scene:
    return replace(KITCHEN, health={m: Health(State.ABSENT) if m in modalities else LIVE for m in WELL})


CUT = blind(Health(State.ABSENT, "lost", seconds_ago(3)))
DEAF = replace(KITCHEN, health={**WELL, "audio": Health(State.DEGRADED, "muted", seconds_ago(2))}, sounds=())
BOTH_GONE = replace(CUT, health={**CUT.health, "audio": Health(State.ABSENT, "lost", seconds_ago(5))})

EXAMPLES = [
    # What is seen.
    (KITCHEN, "What do you see?", "I see a black cat and two red cups."),
    (KITCHEN, "what do you see", "I see a black cat and two red cups."),
    (KITCHEN, "Hey, can you tell me what you see please?", "I see a black cat and two red cups."),
    (KITCHEN, "what's in front of you", "I see a black cat and two red cups."),
    (KITCHEN, "Describe the scene.", "I see a black cat and two red cups."),
    (KITCHEN, "What is this?", "It may be a tabby cat."),
    (STREET, "What do you see?",
     "I see a white car, two people, a television, a bicycle and one other thing, "
     "and what looks like a golden retriever."),
    (BEACH, "What do you see?", "It looks like a beach."),
    (UNSURE, "What is that?", "It may be a coffee mug."),
    (EMPTY, "What do you see?", "I can see, but I recognise nothing."),
    # How many.
    (KITCHEN, "How many cups are there?", "I see two cups."),
    (KITCHEN, "How many people can you see?", "I see no people."),
    (STREET, "How many people can you see?", "I see two people."),
    (STREET, "how many men are there", "I see two people."),
    (STREET, "how many vehicles do you see", "I see two vehicles, a white car and a bicycle."),
    (KITCHEN, "How many things do you see?", "I see three things, a black cat and two red cups."),
    (UNSURE, "How many cups are there?", "I can't count them, but it may be a coffee mug."),
    (KITCHEN, "how many hats are there", "I see no hats, but I may not know one when I see it."),
    # Where.
    (KITCHEN, "Where is the cat?", "The cat is in the middle, near the cup."),
    (KITCHEN, "Where's the cups", "I see two cups, one on the left and one on the right."),
    (STREET, "where is the TV?", "The television is at the bottom right, near the person."),
    (KITCHEN, "Where is the dog?", "I don't see a dog."),
    (KITCHEN, "What is on the left?", "On the left I see a red cup."),
    (KITCHEN, "what is next to the cat", "Near the cat I see two red cups."),
    # Is there.
    (KITCHEN, "Is there a cat?", "Yes, I see a black cat in the middle."),
    (KITCHEN, "Do you see a dog?", "I don't see a dog."),
    (KITCHEN, "can you see a blue cup", "I see two red cups, but none that I would call blue."),
    (KITCHEN, "is there an animal", "Yes, I see a black cat in the middle."),
    (KITCHEN, "Is there any food?", "I don't see any food."),
    (STREET, "do you see a dog", "I think so, it looks like a golden retriever."),
    (KITCHEN, "Can you see me?", "I can see, but I don't notice a person."),
    (STREET, "Can you see me?", "Yes, I see two people."),
    (STREET, "Who is there?", "I see two people, but I don't know who."),
    (STREET, "is there a bike", "Yes, I see a bicycle at the bottom left."),
    # Which colour.
    (KITCHEN, "What colour is the cat?", "The cat is black."),
    (KITCHEN, "what color are the cups", "The cups are red."),
    (KITCHEN, "Is the cat white?", "No, the cat is black."),
    (STREET, "what colour is the bicycle", "I see a bicycle, but I can't tell the colour."),
    # What is heard.
    (KITCHEN, "What did you hear?", "I heard a dog barking three seconds ago and perhaps rain just now."),
    (KITCHEN, "What was that sound?", "I heard a dog barking three seconds ago and perhaps rain just now."),
    (KITCHEN, "Did you hear a dog?", "Yes, I heard a dog barking three seconds ago."),
    (BEACH, "did you hear a bell", "I did not hear that in the last ten seconds."),
    (BEACH, "What do you hear?", "I hear nothing special."),
    # The senses.
    (KITCHEN, "Can you hear me?", "Yes, I can hear you."),
    (KITCHEN, "How are your senses?", "I can see, hear you and read what you type."),
    (CUT, "Are you there?",
     "I can hear you and read what you type. I can't see, the camera stopped three seconds ago."),
    (CUT, "What do you see?", "I can't see right now, the camera stopped three seconds ago; I can hear you."),
    (CUT, "Where is the cat?", "I can't see right now, the camera stopped three seconds ago; I can hear you. "
     "The last I know, the cat appeared one minute ago."),
    (without("vision"), "What do you see?", "I have no camera; I can hear you."),
    (without("vision", "audio"), "Can you see?", "I have no camera; I can read what you type."),
    (without("vision", "audio", "text"), "how are you", "I have no sense left but your words. "
     "I can't see or hear, there is no camera and there is no microphone."),
    (blind(Health(State.DEGRADED, "dark")), "What do you see?",
     "I can't see right now, it is too dark to see; I can hear you."),
    (blind(Health(State.DEGRADED, "covered", seconds_ago(4))), "What do you see?",
     "I can't see right now, the camera has been covered for four seconds; I can hear you."),
    (blind(Health(State.DEGRADED, "frozen")), "is there a cat",
     "I can't see right now, the picture is frozen; I can hear you. "
     "The last I know, the cat appeared one minute ago."),
    (blind(Health(State.STALE, "", seconds_ago(1))), "how many cups are there",
     "I can't see right now, the camera has given nothing for one second; I can hear you."),
    (blind(LIVE), "What do you see?",
     "My camera works, but I have no picture yet. Ask me again in a moment."),
    (DEAF, "Can you hear me?",
     "I can't hear right now, the microphone has been muted for two seconds; I can see."),
    (BOTH_GONE, "What do you hear?", "I can't hear right now, the microphone stopped five seconds ago; "
     "I can read what you type. Before that I heard a dog barking three seconds ago and perhaps rain "
     "just now."),
    # What happened, what was said.
    (KITCHEN, "What happened?",
     "The camera stopped forty seconds ago but came back thirty seconds ago and "
     "I heard a dog barking three seconds ago."),
    (KITCHEN, "what happened in the last ten seconds", "I heard a dog barking three seconds ago."),
    (KITCHEN, "When did the camera stop?", "The camera stopped forty seconds ago."),
    (EMPTY, "What did I miss?", "Nothing that I noticed."),
    (KITCHEN, "What did I say?", "You said: Where is the cat."),
    (KITCHEN, "Can you repeat that?", "I said: The cat is in the middle."),
    (EMPTY, "What did you say?", "I have not said anything yet."),
    # The rest.
    (KITCHEN, "What time is it?", "It is twelve forty-three at night."),
    (KITCHEN, "what day is it", "Today is Tuesday, the twenty-fourth of November."),
    (EMPTY, "What time is it?", "I don't know what time it is."),
    (KITCHEN, "Did you find it?", "Yes, I think I have found a red cup."),
    (KITCHEN, "any sign of a person waving", "No sign of a person waving so far."),
    (KITCHEN, "Hello!", "Hello. I can see, hear you and read what you type."),
    (KITCHEN, "Thank you.", "You're welcome."),
    (KITCHEN, "Stop!", "Okay."),
    (KITCHEN, "",
     "I did not catch that. Ask me what I see or hear, how many, where, which colour, or what happened."),
    (KITCHEN, "Sing me a song about love", "I understood: Sing me a song about love. I can't answer that. "
     "Ask me what I see or hear, how many, where, which colour, or what happened."),
    # As a recogniser may write it.
    (KITCHEN, "what do you sea", "I see a black cat and two red cups."),
    (KITCHEN, "What do you say?", "I see a black cat and two red cups."),
    (KITCHEN, "Wear is the cat?", "The cat is in the middle, near the cup."),
    (KITCHEN, "hominy cups are there", "I see two cups."),
    (KITCHEN, "Can you here me?", "Yes, I can hear you."),
    (KITCHEN, "what collar is the cat", "The cat is black."),
    (KITCHEN, "is their a cat", "Yes, I see a black cat in the middle."),
    (KITCHEN, "What do you si?", "I see a black cat and two red cups."),
    (STREET, "Is there a bicicle?", "Yes, I see a bicycle at the bottom left."),
    (KITCHEN, "what hapened",
     "The camera stopped forty seconds ago but came back thirty seconds ago and "
     "I heard a dog barking three seconds ago."),
]  # fmt: skip


@pytest.mark.parametrize(("scene", "question", "expected"), EXAMPLES)
def test_a_question_gets_its_answer(scene: Scene, question: str, expected: str) -> None:
    assert answer(question, scene).text == expected


@pytest.mark.parametrize(
    ("question", "because"),
    [
        ("What do you see?", ("vision",)),
        ("What did you hear?", ("audio",)),
        ("What do you see and hear?", ("vision", "audio")),
        ("How are your senses?", ("vision", "audio", "text")),
        ("What time is it?", ()),
        ("What did I say?", ("audio",)),
    ],
)
def test_because_names_what_the_answer_rests_on(question: str, because: tuple[str, ...]) -> None:
    assert answer(question, KITCHEN).because == because


def test_an_old_picture_is_told_with_its_age() -> None:
    old = replace(KITCHEN, seen_ns=seconds_ago(12))
    text = answer("What do you see?", old).text
    assert text == "In my picture from twelve seconds ago, I see a black cat and two red cups."


def test_a_classifier_that_knows_more_tells_it() -> None:
    scene = replace(KITCHEN, names=(Guess("Egyptian Mau", 0.8),))
    assert answer("What do you see?", scene).text.endswith("I think the cat is an Egyptian Mau.")


def test_an_unknown_noun_is_looked_up_by_its_meaning() -> None:
    def near(noun: str, labels: Sequence[str]) -> tuple[str, float]:
        return ("cat", 0.7) if noun == "moggy" else (labels[0], 0.2)

    assert answer("do you see a moggy", KITCHEN, near).text == "I see a black cat in the middle."
    assert answer("do you see a spanner", KITCHEN, near).text.startswith("I don't see a spanner, but")


def test_the_question_itself_is_not_taken_for_what_was_said_before() -> None:
    scene = replace(KITCHEN, said=(*KITCHEN.said, "What did I say?"))
    assert answer("What did I say?", scene).text == "You said: Where is the cat."


@pytest.mark.parametrize("label", sorted(LABELS))
def test_every_name_of_the_detector_is_understood_in_singular_and_plural(label: str) -> None:
    assert singular(plural(label)) == label
    assert label_of(plural(label)) == label
    scene = replace(EMPTY, things=(Thing(label, 0.9, (0.1, 0.1, 0.9, 0.9)),))
    assert answer(f"is there any {label}", scene).text.startswith("Yes, I see ")


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("Siamese cat", "cat"),
        ("golden retriever", "dog"),
        ("laptop computer", "laptop"),
        ("coffee mug", "cup"),
        ("hot dog", "hot dog"),
        ("sports car", "car"),
        ("sea lion", None),
        ("beach", None),
    ],
)
def test_a_classifiers_name_is_covered_by_the_detectors(name: str, concept: str | None) -> None:
    assert concept_of(name) == concept


def test_numbers_articles_and_pairs_are_said_right() -> None:
    assert [in_words(n) for n in (0, 10, 21, 100, 342, 1005)] == [
        "zero", "ten", "twenty-one", "one hundred", "three hundred forty-two", "one thousand five",
    ]  # fmt: skip
    assert [ordinal(n) for n in (1, 2, 12, 20, 23, 31)] == [
        "first", "second", "twelfth", "twentieth", "twenty-third", "thirty-first",
    ]  # fmt: skip
    assert counted(1, "apple", "red") == "a red apple"
    assert counted(1, "umbrella") == "an umbrella"
    assert counted(2, "scissors", "red") == "two pairs of red scissors"
    assert counted(1, "scissors") == "a pair of scissors"


HEALTHS = st.builds(
    Health,
    st.sampled_from(State),
    st.sampled_from(["", "dark", "covered", "frozen", "over-exposed", "muted", "clipped", "no /dev/video0"]),
    st.integers(0, NOW),
)
SHARES = st.one_of(st.floats(0, 1), st.floats())
THINGS = st.builds(
    Thing,
    st.one_of(st.sampled_from(sorted(LABELS)), st.text()),
    SHARES,
    st.tuples(SHARES, SHARES, SHARES, SHARES),
    st.one_of(st.sampled_from(["", "red", "black"]), st.text(max_size=5)),
)
GUESSES = st.builds(Guess, st.one_of(st.sampled_from(["tabby cat", "beach", "Granny Smith"]), st.text()), SHARES)
SCENES = st.builds(
    Scene,
    now_ns=st.just(NOW),
    health=st.dictionaries(st.sampled_from(["vision", "audio", "text", "smell"]), HEALTHS),
    seen_ns=st.sampled_from([0, 1, NOW]),
    things=st.lists(THINGS, max_size=6).map(tuple),
    names=st.lists(GUESSES, max_size=3).map(tuple),
    sounds=st.lists(st.builds(HeardSound, st.text(), SHARES, st.integers(0, NOW)), max_size=3).map(tuple),
    said=st.lists(st.text(), max_size=3).map(tuple),
    replies=st.lists(st.text(), max_size=3).map(tuple),
    happenings=st.lists(
        st.builds(Happening, st.integers(0, NOW), st.text(), st.sampled_from(["vision", "audio"])), max_size=4
    ).map(tuple),
    looked_for=st.lists(GUESSES, max_size=3).map(tuple),
    wall_clock_s=st.floats(),
    utc_offset_s=st.integers(-50_000, 50_000),
)
COMMON = (
    "what do you see hear is there a the cat cups where how many colour red who this left happened did say "
    "time when near camera since last find it any not and 3"
)
WORDS = st.sampled_from([*COMMON.split(), *known_nouns()])
QUESTIONS = st.one_of(
    st.text(),
    st.lists(WORDS, max_size=8).map(" ".join),
    st.sampled_from([question for _, question, _ in EXAMPLES]),
)
SEEING = re.compile(
    r"\bI (?:can )?see\b|\blooks like\b|\bit may be\b|\b(?:on|in|at) the (?:left|right|middle|top|bottom)\b"
)


@settings(max_examples=300, deadline=None)
@given(QUESTIONS, SCENES)
def test_any_question_and_any_scene_give_words_that_can_be_said(question: str, scene: Scene) -> None:
    given_answer = answer(question, scene)
    text = given_answer.text
    assert text.strip()
    assert all(character.isalpha() or character in " ,.;:?!'-" for character in text)
    assert len(text) < 2_000
    assert all(scene.health[modality].present for modality in given_answer.because)
    assert len(set(given_answer.because)) == len(given_answer.because)
    assert answer(question, scene) == given_answer


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([question for _, question, _ in EXAMPLES]), SCENES)
def test_who_cannot_see_never_claims_to_see(question: str, scene: Scene) -> None:
    vision = scene.health.get("vision", Health(State.ABSENT))
    if vision.state is State.LIVE:
        vision = replace(vision, state=State.ABSENT)
    if vision.state is State.DEGRADED:
        vision = replace(vision, reason="dark")
    # What was said and what happened before may well speak of seeing.
    blinded = replace(scene, health={**scene.health, "vision": vision}, replies=(), said=(), happenings=(), sounds=())
    if not question.startswith("Sing") and "find it" not in question and "sign of" not in question:
        assert not SEEING.search(answer(question, blinded).text.replace("what I see", ""))
