"""What happens in the demo, and when: pure data."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sensorium.clock import NS_PER_S


@dataclass(frozen=True, slots=True)
class Show:
    """The camera looks at this photo, by its number in the zoo's list."""

    at_s: float
    photo: int


@dataclass(frozen=True, slots=True)
class Ask:
    """The user asks aloud."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Type:
    """The user types."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A device's server is stopped, as if its cable were pulled."""

    at_s: float
    device: Literal["vision", "audio"]


@dataclass(frozen=True, slots=True)
class Return:
    """The device is back."""

    at_s: float
    device: Literal["vision", "audio"]


Action: TypeAlias = Show | Ask | Type | Cut | Return

PHOTOS = 10
PHOTO_S = 2.4  # long enough for two looks at two pictures a second
END_S = 38.0

SCRIPT: tuple[Action, ...] = tuple(
    sorted(
        [
            *(Show(n * PHOTO_S, n) for n in range(5)),
            Ask(0.8, "What do you see?"),
            Ask(6.0, "What is in front of you now?"),
            Cut(12.0, "vision"),
            Ask(13.5, "Can you still see me?"),
            *(Show(17.0 + n * PHOTO_S, 5 + n) for n in range(5)),
            Return(17.0, "vision"),
            Ask(18.5, "What is this?"),
            Cut(23.0, "audio"),
            Type(24.5, "Can you hear me?"),
            Cut(29.0, "vision"),
            Type(30.5, "What can you see and hear?"),
            Return(32.5, "vision"),
            Return(32.5, "audio"),
            Ask(34.0, "What happened?"),
        ],
        key=lambda action: action.at_s,
    )
)


def shown_until_s(photo: int, script: tuple[Action, ...] = SCRIPT) -> float:
    """When the camera stops showing a photo: at the next one, or when it is cut."""
    start = next(a.at_s for a in script if isinstance(a, Show) and a.photo == photo)
    later = [
        a.at_s
        for a in script
        if a.at_s > start and (isinstance(a, Show) or (isinstance(a, Cut) and a.device == "vision"))
    ]
    return min(later, default=END_S)


def absent_spans(device: str, script: tuple[Action, ...] = SCRIPT) -> list[tuple[float, float]]:
    """From when to when a device was cut [s]."""
    spans = []
    start: float | None = None
    for action in script:
        if isinstance(action, Cut) and action.device == device:
            start = action.at_s
        if isinstance(action, Return) and action.device == device and start is not None:
            spans.append((start, action.at_s))
            start = None
    return spans + ([(start, END_S)] if start is not None else [])


def to_ns(at_s: float) -> int:
    """Seconds of the script in nanoseconds."""
    return int(at_s * NS_PER_S)
