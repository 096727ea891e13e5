"""A session's recording: its steps and samples in the order the core took them, and its events for people.

Topics of the MCAP file: ``settings`` (once), ``steps``, ``samples/<modality>`` (each after its own step) and
``events``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from sensorium.core import CoreSettings
from sensorium.errors import RecordingError
from sensorium.events import Event, Percept, to_json
from sensorium.replay import Taken, describe, describe_settings, parse_settings
from sensorium.samples import Sample
from sensorium.steps import Finding, Step
from sensorium_devices.recording import SAMPLES, Recorded, Recorder, Recording
from sensorium_devices.wire import pack_message

MCAP_MAGIC = b"\x89MCAP"
SETTINGS, STEPS, EVENTS = "settings", "steps", "events"


class RecordingJournal:
    """Keeps a session in a file that ``read_recording`` gives back."""

    def __init__(self, path: Path, keep_days: float | None = None) -> None:
        """``keep_days``: older files beside it go. Raises RecordingError when the file exists or cannot be made."""
        self._recorder = Recorder(path, keep_days=keep_days)

    def begin(self, settings: CoreSettings) -> None:
        """Keep what the session was asked to do."""
        self._keep(SETTINGS, describe_settings(settings), settings.started_ns)

    def step(self, step: Step, sample: Sample | None, now_ns: int) -> None:
        """Keep one step: a Finding as the sample that it was made of, any other as it is."""
        if not isinstance(step, Finding):
            self._keep(STEPS, {"now_ns": now_ns, **describe(step)}, now_ns)
        elif sample is not None:
            self._keep(STEPS, {"now_ns": now_ns, **describe(step)}, now_ns)
            self._recorder.sample(step.modality, sample)

    def event(self, event: Event) -> None:
        """Keep what was told."""
        self._recorder.message(EVENTS, to_json(event).encode(), event.at_ns)

    def close(self) -> None:
        """Finish the file."""
        self._recorder.close()

    def _keep(self, topic: str, message: dict[str, Any], now_ns: int) -> None:
        self._recorder.message(topic, json.dumps(message).encode(), now_ns)


def recorded_percepts(path: Path) -> Iterator[Percept]:
    """The percepts of a recording, or of the lines that ``sensorium run --json`` printed; raises RecordingError."""
    percept = TypeAdapter(Percept)
    for line in _event_lines(path):
        try:
            told = json.loads(line)
            if isinstance(told, dict) and told.pop("event", None) == Percept.kind:
                yield percept.validate_python(told)
        except ValueError as err:  # pydantic's errors are ValueErrors
            raise RecordingError(f"{path}: no event of a session: {str(err).splitlines()[0]}") from err


def _event_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            if stream.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
                stream.seek(0)
                yield from (line for line in stream if line.strip())
                return
    except OSError as err:
        raise RecordingError(f"recording {path}: {err.strerror}") from err
    yield from (e.payload for e in Recording(path) if e.topic == EVENTS and isinstance(e.payload, bytes))


class RecordedSession:
    """A recording of a session: its settings, and its steps in order."""

    def __init__(self, path: Path) -> None:
        """Raises RecordingError when the file is missing, damaged, or of something else."""
        self._path = path
        self._entries = iter(Recording(path))
        first = next(self._entries, None)
        if first is None or first.topic != SETTINGS or not isinstance(first.payload, bytes):
            raise RecordingError(f"{path}: no recording of a session; 'sensorium run --record FILE' makes one")
        self.settings = parse_settings(self._message(first))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        close = getattr(self._entries, "close", None)  # a generator holds the file open
        if close is not None:
            close()

    def steps(self) -> Iterator[Taken]:
        """The steps, once; raises RecordingError where the file is damaged or was cut off."""
        finding_ns: int | None = None
        variant = ""
        for entry in self._entries:
            if entry.topic == STEPS:
                message = self._message(entry)
                now_ns = self._now_ns(message)
                finding_ns = now_ns if message.get("step") == "Finding" else None
                variant = str(message.get("variant", ""))
                if finding_ns is None:
                    yield Taken(now_ns, message=message)
            elif entry.topic.startswith(SAMPLES) and not isinstance(entry.payload, bytes):
                if finding_ns is None:
                    raise RecordingError(f"{self._path}: a sample without its step; the recording is damaged")
                yield Taken(finding_ns, entry.topic.removeprefix(SAMPLES), entry.payload, variant)

    def messages(self) -> Iterator[bytes]:
        """The same for the native runner, the settings first; once."""
        yield pack_message({"settings": describe_settings(self.settings)})
        for item in self.steps():
            if item.sample is None:
                yield pack_message({"now_ns": item.now_ns, **(item.message or {})})
            else:
                step = {"now_ns": item.now_ns, "step": "Finding", "variant": item.variant, "modality": item.modality}
                yield pack_message(step, item.sample)

    def _message(self, entry: Recorded) -> dict[str, Any]:
        try:
            message = json.loads(entry.payload, parse_int=_int64) if isinstance(entry.payload, bytes) else None
        except (ValueError, RecursionError) as err:
            raise RecordingError(f"{self._path}: {entry.topic}: no JSON ({err})") from err
        if not isinstance(message, dict):
            raise RecordingError(f"{self._path}: {entry.topic}: no JSON object")
        return message

    def _now_ns(self, message: dict[str, Any]) -> int:
        now_ns = message.pop("now_ns", None)
        if not isinstance(now_ns, int):
            raise RecordingError(f"{self._path}: a step without its time; the recording is damaged")
        return now_ns


def _int64(text: str) -> int:
    """Times and counts have 64 bits; others would not fit what is computed from them."""
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"a number beyond 64 bits: {text[:30]}")
    return number
