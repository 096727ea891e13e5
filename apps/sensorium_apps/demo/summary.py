"""What the demo measured, from its events and from what really happened: pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sensorium.clock import NS_PER_MS
from sensorium.events import Event, HealthChanged, Percept, Reply, Speech, Utterance
from sensorium.words import word_error_rate
from sensorium_apps.demo.script import Ask, Cut, Return, Show
from sensorium_apps.demo.world import Happened

NAMES = 3  # a photo is named right when its true name is among the first three


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo of the demo and what it really shows."""

    name: str
    labels: tuple[str, ...]  # the true name and accepted synonyms


@dataclass(slots=True)
class Run:
    """Everything that a run of the demo left."""

    photos: Sequence[Photo]
    happened: Sequence[Happened]
    events: Sequence[Event]
    ticks: int
    wav_seconds: dict[int, float] = field(default_factory=dict)  # by reply id


def summarise(run: Run) -> dict[str, Any]:
    """The JSON summary of a run."""
    objects = _objects(run)
    utterances = _utterances(run)
    errors = sum(u["errors"] for u in utterances)
    words = sum(u["words"] for u in utterances)
    return {
        "ticks": run.ticks,
        "percepts": sum(isinstance(e, Percept) for e in run.events),
        "named_right": sum(o["right"] for o in objects),
        "word_error_rate": round(errors / max(words, 1), 4),
        "objects": objects,
        "utterances": utterances,
        "replies": _replies(run),
        "health_changes": _health_changes(run),
    }


def _objects(run: Run) -> list[dict[str, Any]]:
    """For each photo shown, what the last percept before it went called it."""
    shown = [h for h in run.happened if isinstance(h.action, Show)]
    told = []
    for h in shown:
        assert isinstance(h.action, Show)
        photo = run.photos[h.action.photo]
        seen = _last_seen(run, h.at_ns, _end_of(run, h))
        names = [g.name for g in seen.scene[:NAMES]] if seen else []
        things = sorted({t.label for t in seen.things}) if seen else []
        told.append(
            {
                "photo": photo.name,
                "true": photo.labels[0],
                "names": names,
                "things": things,
                "right": named_right(names, photo.labels),
            }
        )
    return told


def named_right(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether one of ``names`` is a true name: the same words, case and plural aside."""
    accepted = {_plain(label) for label in labels}
    return any(_plain(part) in accepted for name in names for part in [name, *name.split(",")])


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix("s")


def _end_of(run: Run, shown: Happened) -> int:
    later = [
        h.at_ns
        for h in run.happened
        if h.at_ns > shown.at_ns
        and (isinstance(h.action, Show) or (isinstance(h.action, Cut) and h.action.device == "vision"))
    ]
    return min(later, default=max((e.at_ns for e in run.events), default=0))


def _last_seen(run: Run, from_ns: int, to_ns: int) -> Percept | None:
    percepts = [e for e in run.events if isinstance(e, Percept) and from_ns <= e.at_ns < to_ns and e.scene]
    return percepts[-1] if percepts else None


def _utterances(run: Run) -> list[dict[str, Any]]:
    heard = [e for e in run.events if isinstance(e, Utterance) and e.final and e.modality == "audio"]
    told = []
    for h in run.happened:
        if not isinstance(h.action, Ask):
            continue
        mine = [u for u in heard if u.started_ns < h.until_ns and u.ended_ns > h.at_ns]
        text = " ".join(u.text for u in mine)
        errors, words = word_error_rate(h.action.text, text)
        rate = round(errors / max(words, 1), 4)
        told.append(
            {
                "text": text,
                "reference": h.action.text,
                "word_error_rate": rate,
                "errors": errors,
                "words": words,
            }
        )
    return told


def _replies(run: Run) -> list[dict[str, Any]]:
    started = {e.reply_id: e.at_ns for e in run.events if isinstance(e, Speech) and e.phase == "started"}
    told = []
    for reply in (e for e in run.events if isinstance(e, Reply)):
        asked_ns = reply.at_ns - reply.latency_ms * NS_PER_MS
        first = (started[reply.id] - asked_ns) / NS_PER_MS if reply.id in started else None
        told.append(
            {
                "question": reply.question,
                "text": reply.text,
                "because": list(reply.because),
                "wav_seconds": round(run.wav_seconds.get(reply.id, 0.0), 2),
                "first_audio_ms": None if first is None else round(first, 1),
            }
        )
    return told


def _health_changes(run: Run) -> list[dict[str, Any]]:
    told = []
    for change in (e for e in run.events if isinstance(e, HealthChanged)):
        causes = [
            h.at_ns
            for h in run.happened
            if isinstance(h.action, Cut | Return) and h.action.device == change.modality and h.at_ns <= change.at_ns
        ]
        after = (change.at_ns - causes[-1]) / NS_PER_MS if causes else None
        told.append(
            {
                "modality": change.modality,
                "state": str(change.state),
                "reason": change.reason,
                "detected_after_ms": None if after is None else round(after, 1),
            }
        )
    return told
