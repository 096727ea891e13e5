"""A session with a camera and no model, for benches of what happens around the model."""

import time
from collections.abc import Callable

from sensorium.errors import SensoriumError
from sensorium.events import Event, HealthChanged, Percept
from sensorium.health import PictureHealth, State
from sensorium.jobs import Workshop
from sensorium.samples import Frame, Sample
from sensorium.session import Parts, Session
from sensorium.source import Source
from sensorium.steps import Finding

LIMIT_S = 120.0  # what takes longer does not come; a process may take a minute to start where no core is to spare


class Judging:
    """An encoder that only judges its pictures."""

    modality = "vision"

    def __init__(self) -> None:
        self._health = PictureHealth()

    def encode(self, sample: Sample) -> Finding:
        """Health of one frame."""
        fault = self._health.step(sample.image, sample.captured_ns) if isinstance(sample, Frame) else None
        return Finding("vision", sample.captured_ns, fault=fault)


def camera_session(source: Source) -> Session:
    """A session on that camera alone, with the settings that a user gets."""
    return Session(Parts({"vision": Judging()}, fusion=None, workshop=Workshop()), [source])


def wait_for(session: Session, wanted: Callable[[Event], bool], what: str) -> Event:
    """The next event that is wanted; raises SensoriumError, with what is known of the camera, when it does not come."""
    deadline = time.monotonic() + LIMIT_S
    known = "nothing was told of the camera"
    while (event := session.next_event(max(0.0, deadline - time.monotonic()))) is not None:
        if wanted(event):
            return event
        if isinstance(event, HealthChanged) and event.modality == "vision":
            known = f"the camera was last told to be {event.state} ({event.reason})"
        if time.monotonic() > deadline:
            break
    raise SensoriumError(f"{what} did not come within {LIMIT_S:g} s; {known}")


def turned(*states: State) -> Callable[[Event], bool]:
    """Whether an event says that the camera has come into one of these states."""
    return lambda event: isinstance(event, HealthChanged) and event.modality == "vision" and event.state in states


def sees(event: Event) -> bool:
    """Whether it is a percept with a live camera."""
    return isinstance(event, Percept) and event.senses["vision"].state is State.LIVE
