"""The demo as a picture: what was present, what was seen, what was said."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from sensorium.clock import NS_PER_S
from sensorium.events import Event, HealthChanged, Percept, Reply, Speech, Utterance
from sensorium.health import State

COLOURS = {State.LIVE: "#2a9d4a", State.DEGRADED: "#e9a820", State.STALE: "#e07b30", State.ABSENT: "#c8c8c8"}
ROWS = {"vision": 4.6, "audio": 3.8, "seen": 3.0, "user": 2.1, "machine": 0.8}
LABELS = {"vision": "camera", "audio": "microphone", "seen": "seen", "user": "user", "machine": "answer"}
LINE = 24  # characters of text to a line: about three seconds wide


def draw(events: Sequence[Event], start_ns: int, end_s: float, out: Path) -> None:
    """Write the timeline of ``events`` as a PNG file; times count from ``start_ns``."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(17, 6.2), constrained_layout=True)
    for modality in ("vision", "audio"):
        for state, reason, begin, end in health_spans(events, modality, start_ns, end_s):
            axes.barh(ROWS[modality], end - begin, left=begin, height=0.5, color=COLOURS[state])
            if state is not State.LIVE and end - begin > 1:
                axes.text(begin + 0.1, ROWS[modality], fill(short(reason), LINE), fontsize=7.5, va="center")
    for n, (begin, text) in enumerate(seen(events, start_ns)):
        _note(axes, begin, "seen", text, "#1b4f8a", shift=0.25 * (n % 2))
    for n, said in enumerate(e for e in events if isinstance(e, Utterance) and e.final):
        _note(axes, _s(said.started_ns, start_ns), "user", said.text, "#6a3d9a", shift=0.25 * (n % 2))
    for n, reply in enumerate(e for e in events if isinstance(e, Reply)):
        _note(axes, _s(reply.at_ns, start_ns), "machine", reply.text, "#333333", shift=0.25 * (n % 2))
    for begin, end in spoken_spans(events, start_ns, end_s):
        axes.barh(ROWS["machine"] + 0.5, end - begin, left=begin, height=0.06, color="#333333")
    axes.set_yticks(list(ROWS.values()), [LABELS[row] for row in ROWS])
    axes.set_xlim(0, end_s)
    axes.set_ylim(-0.3, 5.0)
    axes.set_xlabel("seconds")
    axes.set_title("Senses fail and return; every tick is answered")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def health_spans(
    events: Sequence[Event], modality: str, start_ns: int, end_s: float
) -> list[tuple[State, str, float, float]]:
    """State, reason, from and to [s] of every stretch of one modality's health."""
    changes = [e for e in events if isinstance(e, HealthChanged) and e.modality == modality]
    times = [max(0.0, _s(e.at_ns, start_ns)) for e in changes] + [end_s]
    return [(e.state, e.reason, begin, end) for e, begin, end in zip(changes, times, times[1:], strict=False)]


def short(reason: str) -> str:
    """The reason without the device's own name before it."""
    return reason.rpartition(": ")[2].removeprefix("it was ")


def seen(events: Sequence[Event], start_ns: int) -> list[tuple[float, str]]:
    """When the best name of the picture changed to something that lasted [s], and to what."""
    told: list[tuple[float, str]] = []
    previous = ""
    for percept in (e for e in events if isinstance(e, Percept)):
        name = percept.scene[0].name if percept.scene else ""
        if name and name == previous and (not told or told[-1][1] != name):
            told.append((_s(percept.at_ns, start_ns), name))
        previous = name
    return told


def spoken_spans(events: Sequence[Event], start_ns: int, end_s: float) -> list[tuple[float, float]]:
    """From when to when the machine spoke [s]."""
    spans = []
    for begin in (e for e in events if isinstance(e, Speech) and e.phase == "started"):
        ends = [e.at_ns for e in events if isinstance(e, Speech) and e.reply_id == begin.reply_id and e is not begin]
        end = _s(ends[0], start_ns) if ends else end_s
        spans.append((_s(begin.at_ns, start_ns), end))
    return spans


def _note(axes: Any, at_s: float, row: str, text: str, colour: str, shift: float) -> None:
    axes.text(at_s, ROWS[row] + 0.24 - shift, fill(text, LINE), fontsize=7.5, color=colour, va="top", clip_on=True)
    axes.plot([at_s], [ROWS[row] + 0.34], marker="v", color=colour, markersize=4)


def _s(at_ns: int, start_ns: int) -> float:
    return (at_ns - start_ns) / NS_PER_S
