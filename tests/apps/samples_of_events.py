"""Events made by hand, for tests of what is done with them."""

from sensorium.clock import NS_PER_S
from sensorium.events import Candidate, Guess, HealthChanged, Percept, Reply, Sensed, Thing, Utterance
from sensorium.health import State


def at(seconds: float) -> int:
    return int(seconds * NS_PER_S)


def health(modality: str, state: State, reason: str = "", seconds: float = 0.0) -> HealthChanged:
    return HealthChanged(at(seconds), modality, state, reason, at(seconds))


def thing(label: str, score: float = 0.9, box: tuple[float, float, float, float] = (0.4, 0.4, 0.6, 0.6)) -> Thing:
    return Thing(label, score, box)


def percept(
    seconds: float,
    *things: Thing,
    sounds: tuple[Guess, ...] = (),
    candidates: tuple[Candidate, ...] = (),
    sees: bool = True,
) -> Percept:
    state = State.LIVE if sees else State.ABSENT
    return Percept(
        at_ns=at(seconds),
        seq=round(seconds * 5),
        senses={
            "vision": Sensed(state, "" if sees else "camera 0: it was disconnected", 120.0, sees),
            "audio": Sensed(State.LIVE, "", 40.0, True),
        },
        candidates=candidates,
        things=things,
        scene=(Guess("tabby", 0.61),),
        sounds=sounds,
        rung="full",
        latency_ms=1.25,
    )


def said(text: str, seconds: float, *, final: bool = True, modality: str = "audio") -> Utterance:
    return Utterance(at(seconds), text, modality, final, at(seconds) - 1, at(seconds))


def reply(text: str, seconds: float, number: int = 1) -> Reply:
    return Reply(at(seconds), number, text, "what?", ("vision",), 12.0)
