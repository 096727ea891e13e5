"""PortAudio through PyAudio: opened silently, one thread at a time; a device is found by what a user wrote.

How it is silenced: ALSA and JACK have a hook for their complaints about devices that are not there. It is set
to a C function that does nothing, so no Python runs in their threads, and no file descriptor is redirected.
PortAudio's own debug lines (``Expression ... failed``, when a device is lost) cannot be silenced.
"""

import contextlib
import ctypes
import ctypes.util
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from sensorium.errors import SensoriumError

Direction: TypeAlias = Literal["input", "output"]
Device: TypeAlias = Mapping[str, Any]  # as PortAudio describes it

SECTION = {"input": "maxInputChannels", "output": "maxOutputChannels"}
PERSON = {"input": "microphone", "output": "speaker"}
COMMON_RATES_HZ = (48_000, 44_100, 16_000)

lock = threading.RLock()  # PortAudio's opening, closing and listing are not thread-safe


class NoDeviceError(SensoriumError):
    """PortAudio is not there, or has no such device."""


def open_portaudio() -> Any:
    """A ``pyaudio.PyAudio``, whose ``terminate`` is to be called; raises NoDeviceError."""
    try:
        import pyaudio
    except ImportError as err:
        raise NoDeviceError(
            f"PyAudio is not installed ({err}); install PortAudio's headers (Debian: portaudio19-dev) and"
            " pip install 'sensorium[mic]'"
        ) from err
    with lock:
        _silence()
        try:
            return pyaudio.PyAudio()
        except OSError as err:
            raise NoDeviceError(f"PortAudio does not start ({err})") from err


@contextlib.contextmanager
def portaudio() -> Iterator[Any]:
    """PortAudio for a look at its devices."""
    audio = open_portaudio()
    try:
        yield audio
    finally:
        with lock:
            audio.terminate()


def devices(audio: Any, direction: Direction) -> list[Device]:
    """The devices that can do this, in PortAudio's order."""
    with lock:
        every = [audio.get_device_info_by_index(index) for index in range(audio.get_device_count())]
    return [device for device in every if device[SECTION[direction]] > 0]


def find_device(audio: Any, wanted: str, direction: Direction) -> Device:
    """By ``default``, index, or part of the name (the whole name goes first); raises NoDeviceError."""
    known = devices(audio, direction)
    if not known:
        raise NoDeviceError(f"PortAudio knows no {PERSON[direction]} on this machine")
    if wanted == "default":
        return _default(audio, direction, known)
    if wanted.isdecimal():
        matching = [device for device in known if device["index"] == int(wanted)]
    else:
        name = wanted.casefold()
        matching = [device for device in known if name == device["name"].casefold()]
        matching += [device for device in known if name in device["name"].casefold()]
    if not matching:
        names = ", ".join(f"{device['index']} ({device['name']})" for device in known)
        raise NoDeviceError(f"no {PERSON[direction]} {wanted!r}; known: default, {names}")
    return matching[0]


def _default(audio: Any, direction: Direction, known: list[Device]) -> Device:
    ask = audio.get_default_input_device_info if direction == "input" else audio.get_default_output_device_info
    try:
        with lock:
            device: Device = ask()
    except OSError:  # no default is set: the first will do
        return known[0]
    return device


def _silence() -> None:
    nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
    for library, hooks in {
        "asound": ["snd_lib_error_set_handler"],
        "jack": ["jack_set_error_function", "jack_set_info_function"],
    }.items():
        found = ctypes.util.find_library(library)
        if found is None:
            continue
        loaded = ctypes.CDLL(found)
        for hook in hooks:
            if hasattr(loaded, hook):
                getattr(loaded, hook)(nothing)
