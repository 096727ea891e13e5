"""Options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from sensorium_devices.isolate import Isolate

Bundle: TypeAlias = Annotated[
    Path | None, typer.Option("--bundle", help="A bundle; default: the companion of this machine.")
]
Camera: TypeAlias = Annotated[
    str, typer.Option("--camera", help="Index, address (http, rtsp), file, folder of pictures, or none.")
]
Mic: TypeAlias = Annotated[str, typer.Option("--mic", help="default, a device's index or name, a sound file, or none.")]
Text: TypeAlias = Annotated[str, typer.Option("--text", help="Typed questions: - (standard input), a file, or none.")]
Sensors: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--sensor", help="Another sense's readings: MODALITY=FILE.csv or MODALITY=- ; may be repeated."),
]
Faults: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        help="Let a source fail on purpose: SOURCE:KIND@START+DURATION, e.g. camera:blocked@10s+5s, mic:muted@1m, "
        "smell:nan@500ms+2s; may be repeated.",
    ),
]
Speaker: TypeAlias = Annotated[str, typer.Option("--speaker", help="default, a .wav file to write, or none.")]
LookFor: TypeAlias = Annotated[
    str,
    typer.Option("--look-for", help="Texts to score against what is seen and heard, separated by commas."),
]
Record: TypeAlias = Annotated[
    Path | None, typer.Option("--record", help="Keep samples and events in this file, for sensorium replay.")
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Seconds: TypeAlias = Annotated[float | None, typer.Option("--seconds", min=0.0, help="End after so many seconds.")]
TickMs: TypeAlias = Annotated[float, typer.Option("--tick-ms", min=10.0, help="Milliseconds between two percepts.")]
Threads: TypeAlias = Annotated[
    int, typer.Option("--threads", min=0, help="Threads for each graph; 0 leaves it to the backend.")
]
Isolation: TypeAlias = Annotated[
    Isolate,
    typer.Option(
        "--isolate",
        help="Run devices in processes of their own, which can be killed where a driver hangs: auto (cameras of this "
        "machine, RTSP, sound cards), always, never.",
    ),
]
Reword: TypeAlias = Annotated[
    bool, typer.Option("--reword", help="Let a small language model say answers in other words.")
]
Ladder: TypeAlias = Annotated[
    Path | None, typer.Option("--ladder", help="A TOML file of [[rung]] tables: what to give up when, to stay in time.")
]


def texts(look_for: str) -> tuple[str, ...]:
    """The texts of ``--look-for``: separated by commas, blanks around them dropped, each once."""
    return tuple(dict.fromkeys(text for part in look_for.split(",") if (text := " ".join(part.split()))))
