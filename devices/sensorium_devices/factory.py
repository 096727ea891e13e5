"""From what a user writes on the command line to a source or sink, which the session then opens.

``none`` is no device, which is a state like any other: the modality is absent.
"""

from pathlib import Path

from sensorium.clock import Clock
from sensorium.errors import SourceError
from sensorium.source import AudioSink, Source
from sensorium_devices.camera import Camera, CameraSettings
from sensorium_devices.loudspeaker import LoudSpeaker
from sensorium_devices.microphone import Microphone
from sensorium_devices.readings import PERIOD_MS, ReadingsInput
from sensorium_devices.speaker import NullSpeaker, WavSpeaker
from sensorium_devices.text import TextInput

NONE = "none"
TAKEN = {"vision": "use --camera", "audio": "use --mic", "text": "use --text"}  # modalities that have their own option


def open_camera(text: str, clock: Clock, settings: CameraSettings | None = None) -> Source | None:
    """``none``, or whatever ``camera.Camera`` takes."""
    return None if text == NONE else Camera(text, clock, settings)


def open_microphone(text: str, clock: Clock, *, realtime: bool = True) -> Source | None:
    """``none``, or whatever ``microphone.Microphone`` takes."""
    return None if text == NONE else Microphone(text, clock, realtime=realtime)


def open_text(text: str, clock: Clock) -> Source | None:
    """``none``, ``-`` for standard input, or a file of lines."""
    return None if text == NONE else TextInput(text, clock)


def open_sensor(text: str, clock: Clock, period_ms: float = PERIOD_MS) -> Source:
    """``smell=gas.csv`` or ``touch=-``: a modality and where its readings come from; raises SourceError."""
    modality, found, uri = text.partition("=")
    if not found or not modality.isidentifier() or not uri:
        raise SourceError(
            f"a sensor is MODALITY=FILE or MODALITY=- (standard input), e.g. smell=gas.csv; given {text!r}"
        )
    if modality in TAKEN:
        raise SourceError(f"a sensor cannot be called {modality}: {TAKEN[modality]}")
    return ReadingsInput(modality, uri, clock, period_ms)


def open_speaker(text: str, *, realtime: bool = True) -> AudioSink:
    """``none``, ``x.wav``, a folder (``answers/``), or a loudspeaker: ``default``, an index, part of a name.

    ``realtime`` is for the first three: whether speech takes the time that it lasts, and can be cut short.
    """
    if text == NONE:
        return NullSpeaker(realtime=realtime)
    if text.lower().endswith(".wav") or "/" in text or Path(text).is_dir():
        return WavSpeaker(text, realtime=realtime)
    return LoudSpeaker(text)
