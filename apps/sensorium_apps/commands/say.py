"""``sensorium say``: text to speech."""

import json as jsonlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium_apps import options
from sensorium_apps.failures import note

if TYPE_CHECKING:
    from sensorium.components.synthesiser import Synthesiser
    from sensorium.source import AudioSink


def say(
    text: Annotated[str, typer.Argument(help="What to say; - reads standard input.")],
    out: Annotated[Path | None, typer.Option(help="A .wav file to write; default: the loudspeaker.")] = None,
    bundle: options.Bundle = None,
    json: options.Json = False,
    threads: options.Threads = 0,
) -> None:
    """Say a text aloud, or write it to a sound file.

    Examples:

      sensorium say "There are two cups on the table."

      sensorium say "Hello." --out hello.wav
    """
    import sys

    from sensorium.clock import NS_PER_S
    from sensorium_apps.parts import component
    from sensorium_devices.factory import open_speaker

    if out is not None and out.suffix.lower() != ".wav":
        raise typer.BadParameter(f"{out} is no .wav file", param_hint="--out")
    if text == "-":
        text = sys.stdin.read()
    with component(bundle, "synthesiser", threads) as synthesiser:
        speaker = open_speaker(str(out) if out else "default", realtime=False)
        try:
            began_ns = time.perf_counter_ns()
            spoken_s = _speak(text, synthesiser, speaker)
            took_s = (time.perf_counter_ns() - began_ns) / NS_PER_S
        finally:
            speaker.close()
    told = {
        "text": text,
        "seconds": round(spoken_s, 3),
        "took_s": round(took_s, 3),
        "out": str(out) if out else None,
    }
    if json:
        typer.echo(jsonlib.dumps(told, ensure_ascii=False))
    elif out:
        note(f"{spoken_s:.1f} s of speech in {out}")


def _speak(text: str, synthesiser: "Synthesiser", speaker: "AudioSink") -> float:
    """Say it as it is made; returns the speech's length [s]."""
    from sensorium.errors import SensoriumError

    count = 0
    for samples in synthesiser.stream(text):
        if not count:
            speaker.start(synthesiser.rate_hz)
        speaker.write(samples)
        count += len(samples)
    if not count:
        raise SensoriumError(f"nothing in {text!r} can be said; give some words")
    speaker.drain()
    return count / synthesiser.rate_hz
