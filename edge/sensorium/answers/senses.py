"""What can be seen and heard right now, and how to say so when it cannot."""

from sensorium.answers.nouns import joined
from sensorium.answers.phrasing import ago, duration, plain, sentence
from sensorium.clock import NS_PER_S
from sensorium.health import Health, State
from sensorium.scene import Scene

# A fault in the content that leaves nothing to tell -> who has it, and what it is.
_USELESS = {
    ("vision", "dark"): ("it", "too dark to see"),
    ("vision", "covered"): ("the camera", "covered"),
    ("vision", "frozen"): ("the picture", "frozen"),
    ("vision", "over-exposed"): ("the picture", "too bright"),
    ("vision", "not finite"): ("the picture", "broken"),
    ("audio", "muted"): ("the microphone", "muted"),
    ("audio", "not finite"): ("the sound", "broken"),
}
# A fault that leaves something.
_POOR = {
    "clipped": "the sound is too loud and distorted",
    "DC offset": "the microphone's signal is off centre",
}
_DEVICE = {"vision": "camera", "audio": "microphone", "text": "keyboard"}
_VERB = {"vision": "see", "audio": "hear"}
_ABLE = {"vision": "see", "audio": "hear you", "text": "read what you type"}


def usable(scene: Scene, modality: str) -> bool:
    """Whether this sense is present and its content tells something."""
    health = scene.health.get(modality)
    return health is not None and health.present and (modality, health.reason) not in _USELESS


def sees(scene: Scene) -> bool:
    """Whether there is a picture to speak of, and something can be told from it."""
    return scene.sees() and usable(scene, "vision")


def present(scene: Scene) -> tuple[str, ...]:
    """The senses that are present, in the scene's order."""
    return tuple(name for name, health in scene.health.items() if health.present)


def missing(scene: Scene, modality: str) -> str:
    """Why this sense gives nothing, since when, and what still works, as one sentence."""
    health = scene.health.get(modality)
    if modality == "vision" and usable(scene, "vision"):
        return "My camera works, but I have no picture yet. Ask me again in a moment."
    if health is None or _never(health):
        start = f"I have no {device(modality)}"
    else:
        start = f"I can't {_VERB.get(modality, 'use that sense')} right now, {why(scene, modality)}"
    others = joined([_ABLE.get(m, f"use my {device(m)}") for m in still_working(scene, modality)])
    return sentence(f"{start}; I can {others}" if others else start)


def still_working(scene: Scene, modality: str) -> tuple[str, ...]:
    """The senses that are told when this one fails: sight and hearing, else whatever there is."""
    others = [m for m in _known(scene) if m != modality and usable(scene, m)]
    return tuple([m for m in others if m in _VERB] or others)


def why(scene: Scene, modality: str) -> str:
    """What is wrong with this sense and since when, as a clause."""
    health = scene.health.get(modality)
    name = device(modality)
    if health is None or _never(health):
        return f"there is no {name}"
    span_ns = scene.now_ns - health.since_ns
    if health.state is State.ABSENT:
        return f"the {name} stopped {ago(span_ns)}"
    if health.state is State.STALE:
        return f"the {name} has given nothing for {duration(span_ns)}"
    if (modality, health.reason) not in _USELESS:
        return _POOR.get(health.reason, f"the {name} is {plain(health.reason) or 'not well'}")
    who, what = _USELESS[modality, health.reason]
    long = health.since_ns > 0 and span_ns >= NS_PER_S
    return f"{who} has been {what} for {duration(span_ns)}" if long else f"{who} is {what}"


def state_of_all(scene: Scene) -> str:
    """What works and what does not, in at most two sentences."""
    able, lost = _able(scene), [m for m in _known(scene) if not usable(scene, m) and m != "text"]
    poor = [why(scene, m) for m in _known(scene) if usable(scene, m) and scene.health[m].state is State.DEGRADED]
    first = f"I can {able}" if able else "I have no sense left but your words"
    if not lost and not poor:
        return sentence(first)
    verbs = [_VERB[m] for m in lost if m in _VERB] or ["use every sense"]
    reasons = joined([why(scene, m) for m in lost])
    second = f"I can't {joined(verbs, 'or')}, {reasons}" if lost else f"But {joined(poor)}"
    return f"{sentence(first)} {sentence(second)}"


def device(modality: str) -> str:
    """What the user calls the thing that this sense comes from."""
    return _DEVICE.get(modality) or f"{plain(modality) or 'other'} sensor"


def _never(health: Health) -> bool:
    return health.state is State.ABSENT and health.since_ns <= 0


def _known(scene: Scene) -> list[str]:
    """Sight and hearing, which everybody asks for, and whatever else the session has."""
    return list(dict.fromkeys(["vision", "audio", *scene.health]))


def _able(scene: Scene) -> str:
    names = [m for m in _known(scene) if usable(scene, m)]
    return joined([_ABLE.get(m, f"use my {device(m)}") for m in names])
