"""A room for a bench of talking: a microphone, a loudspeaker, a user, and a recording with a side for each voice."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import MonotonicClock
from sensorium.errors import SensoriumError
from sensorium.source import AudioSink, Source
from sensorium_devices.loudspeaker import LoudSpeaker
from sensorium_devices.microphone import Microphone
from sensorium_devices.pulse import PulseServer, Recorder, why_not

OWN, USER = 0, 1  # the sides of the recording
SINKS = ("own", "user")
RATE_HZ = 16_000  # of the recording
LIMIT_S = 60.0  # for anything to be heard on a busy machine
AUDIBLE = 3 / 32768  # below it is rounding
ACROSS = 0.3  # the loudspeaker's voice at the microphone: 10 dB below the user's, as across a table
# The machine's voice has noise of -64 dB under it, so that its last sample is heard in a pause, too.
MARK = 20 / 32768
PATIENCE_S = 5.0  # for a voice that is to be heard on a busy machine
NOW_S = 0.05  # what was heard so lately is heard now
SILENT_S = 0.5  # after so long nothing more comes of what was stopped


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A stretch of the recording, float32 (n, 2)."""

    samples: NDArray[np.float32]
    start: int  # its first sample's place in the recording
    time_of: Callable[[int], int]

    @property
    def place(self) -> int:
        """Of its end."""
        return self.start + len(self.samples)

    def first(self, side: int) -> int | None:
        """The first sample that is heard of that voice."""
        places = np.flatnonzero(np.abs(self.samples[:, side]) > AUDIBLE)
        return int(places[0]) if len(places) else None

    def last(self, side: int) -> int | None:
        """The last one."""
        places = np.flatnonzero(np.abs(self.samples[:, side]) > AUDIBLE)
        return int(places[-1]) if len(places) else None

    def time_ns(self, index: int) -> int:
        """When that sample was played."""
        return self.time_of(self.start + index)


class Room(ABC):
    """A microphone that hears both voices, a loudspeaker for the machine's, and what was heard of each."""

    told: str  # what its devices are

    @abstractmethod
    def microphone(self) -> Source:
        """One that hears both voices."""

    @abstractmethod
    def speaker(self) -> AudioSink:
        """One for the machine's voice."""

    @abstractmethod
    def saying(self, speech: NDArray[np.float32], rate_hz: int) -> AbstractContextManager[None]:
        """Meanwhile a user begins to speak float32 (n,); left once all was said."""

    @abstractmethod
    def recorded(self) -> NDArray[np.float32]:
        """All that was heard until now at RATE_HZ, float32 (n, 2)."""

    @abstractmethod
    def time_of(self, place: int) -> int:
        """When the sample at that place of the recording was played [ns]."""

    @abstractmethod
    def wait(self, ready: Callable[[], bool], limit_s: float) -> bool:
        """Wait until that holds, judged whenever more was heard; False when it did not within the limit."""

    def heard(self, start: int = 0) -> Heard:
        """The recording from there on until now."""
        return Heard(self.recorded()[start:], start, self.time_of)

    def wait_heard(self, side: int, seconds: float) -> bool:
        """Wait until that voice is heard, so long after it was first; False where it is not, or no more."""
        start = self.heard().place

        def ready() -> bool:
            heard = self.heard(start)
            first, last = heard.first(side), heard.last(side)
            if first is None or last is None or len(heard.samples) - first < seconds * RATE_HZ:
                return False
            return len(heard.samples) - last < NOW_S * RATE_HZ  # a busy machine may pause

        return self.wait(ready, seconds + PATIENCE_S)

    def heard_until_silent(self, side: int, start: int) -> Heard:
        """The recording from there on, once that voice has fallen silent; raises SensoriumError where it does not."""
        until = self.heard().place + round(SILENT_S * RATE_HZ)

        def ready() -> bool:
            heard = self.heard(start)
            last = heard.last(side) or 0
            return heard.place >= until and len(heard.samples) - last >= SILENT_S * RATE_HZ

        if not self.wait(ready, LIMIT_S):
            raise SensoriumError(f"the {SINKS[side]} voice does not fall silent within {LIMIT_S:g} s")
        return self.heard(start)


class PulseRoom(Room):
    """PortAudio's devices on a null sink, in which the machine's voice is the left channel and the user's the right."""

    told = "PortAudio on a null sink of PulseAudio"

    def __init__(self, pulse: PulseServer, recorder: Recorder) -> None:
        self._pulse, self._recorder = pulse, recorder

    def microphone(self) -> Source:
        """See Room."""
        return Microphone("default", MonotonicClock())

    def speaker(self) -> AudioSink:
        """See Room."""
        return AcrossTheTable("default")

    @contextmanager
    def saying(self, speech: NDArray[np.float32], rate_hz: int) -> Iterator[None]:
        """See Room."""
        player = self._pulse.start_playing(speech, rate_hz, SINKS[USER])
        try:
            yield
        finally:
            try:
                player.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                player.kill()
                player.wait()

    def recorded(self) -> NDArray[np.float32]:
        """See Room."""
        return self._recorder.heard

    def time_of(self, place: int) -> int:
        """See Room."""
        return self._recorder.time_of(place)

    def wait(self, ready: Callable[[], bool], limit_s: float) -> bool:
        """See Room."""
        return self._recorder.wait(ready, limit_s)


class AcrossTheTable(LoudSpeaker):
    """A loudspeaker on the other side of the table, whose every sample is heard."""

    def __init__(self, wanted: str = "default") -> None:
        super().__init__(wanted)
        self._dice = np.random.default_rng(0)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Play it, with noise under it."""
        marks = self._dice.choice(np.array([-MARK, MARK], np.float32), len(samples))
        super().write(np.float32(ACROSS) * samples + marks)


@contextmanager
def open_room() -> Iterator[Room]:
    """PulseAudio's where it is installed, else a virtual one."""
    if why_not() is not None:
        from sensorium_apps.benches.virtual_room import VirtualRoom

        with VirtualRoom() as room:
            yield room
        return
    with ExitStack() as stack:
        pulse = stack.enter_context(PulseServer())
        for sink, side in zip(SINKS, ("left", "right"), strict=True):
            pulse.add_side(sink, side)
        stack.enter_context(pulse.environment(SINKS[OWN]))
        yield PulseRoom(pulse, stack.enter_context(Recorder(pulse, RATE_HZ, channels=2)))
