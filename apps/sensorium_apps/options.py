"""Options that several commands share, so that they read the same everywhere."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from sensorium_devices.isolate import Isolate

if TYPE_CHECKING:
    from sensorium.policy import PrivacyPolicy

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
    Path | None,
    typer.Option(
        "--record",
        help="Keep samples and events in this file, for sensorium replay; faces blurred, no sound.",
    ),
]
KeepFaces: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-faces", help="Leave faces sharp in what is recorded or shown; without it they are blurred first."
    ),
]
KeepVoice: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-voice",
        help="Record sound, too; what was said is kept as text either way. With --keep-faces a recording replays to "
        "the very same decisions; without both it does not.",
    ),
]
KeepDays: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--keep-days",
        min=0.001,
        help="Delete Sensorium's own files beside the new one that were last written longer ago; default: none.",
    ),
]
AwaitConsent: TypeAlias = Annotated[
    bool,
    typer.Option("--await-consent", help="Keep nothing until somebody types /consent yes (with --text -)."),
]
Privacy: TypeAlias = Annotated[
    Path | None,
    typer.Option("--privacy", help="A TOML file: keep, keep_days, faces, network, consent; options above go first."),
]
Explain: TypeAlias = Annotated[
    bool, typer.Option("--explain", help="Show which sense caused the answer, and what it would be without each.")
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


def policy(
    file: Path | None,
    keep_faces: bool = False,
    keep_voice: bool = False,
    keep_days: float | None = None,
    await_consent: bool = False,
) -> "PrivacyPolicy":
    """The policy of the file, else the private default, with what the options change; raises PrivacyError."""
    from sensorium.policy import KINDS, PRIVATE, read_policy

    made = read_policy(file) if file else PRIVATE
    kept = (*made.keep, "audio") if keep_voice else made.keep
    return replace(
        made,
        keep=tuple(kind for kind in KINDS if kind in kept),
        keep_days=made.keep_days if keep_days is None else keep_days,
        faces="sharp" if keep_faces else made.faces,
        consent="awaited" if await_consent else made.consent,
    )


def texts(look_for: str) -> tuple[str, ...]:
    """The texts of ``--look-for``: separated by commas, blanks around them dropped, each once."""
    return tuple(dict.fromkeys(text for part in look_for.split(",") if (text := " ".join(part.split()))))
