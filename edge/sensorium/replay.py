"""Replaying a recording: the same steps through the same core give the same decisions.

A recording keeps every sample that an encoder looked at, and of every other step what cannot be computed again. What
the encoders found, what was recognised and answered is computed anew.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from sensorium.capture import SourceChanged
from sensorium.core import Core, CoreSettings, events, jobs
from sensorium.encoders import attempt
from sensorium.errors import BackendError, LadderError, PrivacyError, RecordingError, first_fault
from sensorium.events import Event
from sensorium.ladder import KEY, parse_ladder
from sensorium.policy import FAITHFUL, parse_policy
from sensorium.samples import Sample
from sensorium.session import Parts
from sensorium.steps import Check, Consent, Done, Finding, Job, Measured, Replaced, Responded, Spoke, Step, Tick

FORMAT = 2  # of a recording's settings and steps: 1 had three rungs that were not told, 2 has the ladder as a table
UNTOLD = "of a version before 0.1.0"  # wrote recordings that do not say who wrote them


@dataclass(frozen=True, slots=True)
class Taken:
    """One step as it was recorded: a sample with its modality, or a message."""

    now_ns: int
    modality: str = ""
    sample: Sample | None = None
    variant: str = ""  # that looked at the sample
    message: Mapping[str, Any] | None = None


def describe(step: Step) -> dict[str, Any]:
    """A step as a JSON object; of a Finding only which variant looked, for its sample is kept instead."""
    kind = type(step).__name__
    if isinstance(step, Finding):
        return {"step": kind, "variant": step.variant}
    if isinstance(step, Done):
        reworded = step.result.reworded if isinstance(step.result, Responded) else None
        return {"step": kind, "job_id": step.job_id, "reworded": reworded}
    if isinstance(step, Tick | Check):
        return {"step": kind, **dataclasses.asdict(step), "arrivals": dict(step.arrivals)}
    return {"step": kind, **dataclasses.asdict(step)}


def describe_settings(settings: CoreSettings) -> dict[str, Any]:
    """What the session was asked to do, and who writes it in which format, as a JSON object."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and only who records needs it

    try:
        writer = version("sensorium")
    except PackageNotFoundError:
        writer = "a checkout that is not installed"
    return {"format": FORMAT, "sensorium": writer, **dataclasses.asdict(settings)}


def parse_settings(message: Mapping[str, Any]) -> CoreSettings:
    """The inverse of ``describe_settings``; raises RecordingError, of another format with who wrote it."""
    told = message.get("format", FORMAT if "ladder" in message else FORMAT - 1)
    if told != FORMAT:
        raise RecordingError(
            f"the recording is of format {told}, written by a Sensorium {message.get('sensorium', UNTOLD)}; "
            f"this one replays format {FORMAT}: replay it with the one that wrote it, or record again"
        )
    try:
        ladder = parse_ladder({KEY: message["ladder"]}, "its ladder")
        given = message.get("privacy")  # recordings from before there was a policy have all
        privacy = FAITHFUL if given is None else parse_policy(given, "its privacy policy")
        return _parse(CoreSettings, {**message, "ladder": ladder, "privacy": privacy})
    except (KeyError, LadderError, PrivacyError, ValidationError) as err:
        raise RecordingError(f"the recording's settings are damaged: {_told(err)}") from err


def replay(settings: CoreSettings, taken: Iterable[Taken], parts: Parts) -> Iterator[Event]:
    """The events that the recorded steps lead to; raises RecordingError at a step that makes no sense.

    They are those of the live session, unless the recording is not faithful: its policy had something left out or
    blurred, or it paused for want of consent. Then the numbers of jobs differ, and each is done once it is asked for.
    """
    for name, backend in settings.backends.items():
        _use(parts, name, backend)
    core = Core(settings, parts.fusion)
    asked: dict[int, Job] = {}
    faithful = settings.privacy.faithful
    for item in taken:
        if item.sample is not None and item.modality not in settings.modalities:
            raise RecordingError(f"the recording has {item.modality} samples of a session without that sense")
        if not faithful and (item.message or {}).get("step") == "Done":
            continue
        step = _step(item, parts, asked)
        todo: list[Step] = [step]
        if faithful and isinstance(step, Consent) and not step.given:
            faithful = False
            todo += [Done(job.id, parts.workshop.run(job)) for job in asked.values()]
        while todo:
            effects = core.handle(todo.pop(0), item.now_ns)
            yield from events(effects)
            started = jobs(effects)
            asked |= {job.id: job for job in started if faithful}
            todo += [Done(job.id, parts.workshop.run(job)) for job in started if not faithful]


def _step(item: Taken, parts: Parts, asked: dict[int, Job]) -> Step:
    if item.sample is not None:
        if item.modality not in parts.encoders:
            raise RecordingError(f"the recording has {item.modality} samples, the bundle no encoder for them")
        return attempt(parts.encoders[item.modality], item.sample, item.variant)
    message = dict(item.message or {})
    kind = message.pop("step", None)
    if not isinstance(kind, str) or kind not in _PARSERS:
        raise RecordingError(f"the recording has a step {kind!r}; known: {', '.join(sorted(_PARSERS))}")
    try:
        return _PARSERS[kind](message, parts, asked)
    except (KeyError, ValidationError) as err:
        raise RecordingError(f"the recording's {kind} step is damaged: {_told(err)}") from err


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is kept of a Done step: its result is computed again, but for the words of a language model."""

    job_id: int
    reworded: str | None = None


def _done(message: dict[str, Any], parts: Parts, asked: dict[int, Job]) -> Step:
    ended = _parse(_Ended, message)
    result = parts.workshop.run(asked.pop(ended.job_id))
    if isinstance(result, Responded):
        result = dataclasses.replace(result, reworded=ended.reworded)
    return Done(ended.job_id, result)


def _replaced(message: dict[str, Any], parts: Parts, *_: object) -> Step:
    """From here on the graph is executed as it was when this was recorded."""
    step = _parse(Replaced, message)
    _use(parts, step.graph, step.backend)
    return step


def _use(parts: Parts, name: str, backend: str) -> None:
    graph = parts.replaceable.get(name)
    if graph is not None:
        try:
            graph.use(backend)
        except BackendError as err:
            raise RecordingError(f"the recording has {name} executed by {backend}: {err}") from err


def _plain(kind: Callable[..., Step], message: dict[str, Any], *_: object) -> Step:
    return _parse(kind, message)


_Parsed = TypeVar("_Parsed")


def _parse(kind: Callable[..., _Parsed], message: Mapping[str, Any]) -> _Parsed:
    """The dataclass of these values; raises ValidationError."""
    return _adapter(kind).validate_python(message)  # type: ignore[no-any-return]


@cache
def _adapter(kind: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _told(err: Exception) -> str:
    """What is wrong, in a line."""
    return first_fault(err) if isinstance(err, ValidationError) else str(err)


_PARSERS: dict[str, Callable[[dict[str, Any], Parts, dict[int, Job]], Step]] = {
    **{kind.__name__: partial(_plain, kind) for kind in (Tick, Check, Spoke, SourceChanged, Measured, Consent)},
    "Done": _done,
    "Replaced": _replaced,
}
