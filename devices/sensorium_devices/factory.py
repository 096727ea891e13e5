"""From what a user writes on the command line to a source or sink, which the session then opens.

``none`` is no device, which is a state like any other: the modality is absent.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sensorium.clock import Clock, MonotonicClock
from sensorium.errors import SourceError
from sensorium.source import AudioSink, Source
from sensorium_devices.apart import SILENCE_S, Apart, Made, Plain
from sensorium_devices.camera import Camera, CameraSettings
from sensorium_devices.isolate import Isolate
from sensorium_devices.loudspeaker import LoudSpeaker
from sensorium_devices.microphone import Microphone
from sensorium_devices.readings import PERIOD_MS, ReadingsInput
from sensorium_devices.speaker import NullSpeaker, WavSpeaker
from sensorium_devices.text import TextInput

NONE = "none"
PLAIN_URLS = ("http://", "https://")  # read over sockets with time limits of our own or of FFmpeg: these do not hang
MIC_SILENCE_S = 4.0  # PulseAudio's first block may come after three seconds, which the sound card's own limit allows
TAKEN = {"vision": "use --camera", "audio": "use --mic", "text": "use --text"}  # modalities that have their own option


def open_camera(
    text: str, clock: Clock, settings: CameraSettings | None = None, *, isolate: Isolate = Isolate.NEVER
) -> Source | None:
    """``none``, or whatever ``camera.Camera`` takes."""
    if text == NONE:
        return None
    camera = Camera(text, clock, settings)
    if camera.is_live and _apart(isolate, clock, not text.startswith(PLAIN_URLS)):
        asked = settings or CameraSettings()
        arguments: dict[str, Plain] = {"uri": text, "settings": asdict(asked)}
        silence_s = asked.read_timeout_s + SILENCE_S
        return Apart(Made(f"{__name__}:camera", arguments, "vision", camera.name, silence_s))
    return camera


def open_microphone(
    text: str, clock: Clock, *, realtime: bool = True, isolate: Isolate = Isolate.NEVER
) -> Source | None:
    """``none``, or whatever ``microphone.Microphone`` takes."""
    if text == NONE:
        return None
    microphone = Microphone(text, clock, realtime=realtime)
    if not microphone.finite and _apart(isolate, clock, not text.startswith(PLAIN_URLS)):
        return Apart(
            Made(f"{Microphone.__module__}:Microphone", {"uri": text}, "audio", microphone.name, MIC_SILENCE_S)
        )
    return microphone


def camera(uri: str, clock: Clock, settings: Mapping[str, Any]) -> Camera:
    """A camera from plain data, for the process that it runs in."""
    return Camera(uri, clock, CameraSettings(**settings))


def _apart(isolate: Isolate, clock: Clock, hangs: bool) -> bool:
    """Whether to use another process: it must read the same clock, and inherit what is opened for it."""
    able = isinstance(clock, MonotonicClock) and sys.platform != "win32" and bool(sys.executable)
    return able and (isolate is Isolate.ALWAYS or (isolate is Isolate.AUTO and hangs))


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
