"""``sensorium transcribe``: speech in a sound file to text."""

import json as jsonlib
import time
from pathlib import Path
from typing import Annotated

import typer

from sensorium_apps import options
from sensorium_apps.failures import note


def transcribe(
    sound: Annotated[Path, typer.Argument(help="A sound file: wav, flac, ogg, mp3; any rate.")],
    bundle: options.Bundle = None,
    json: options.Json = False,
    threads: options.Threads = 0,
) -> None:
    """Write down what is said in a sound file.

    Examples:

      sensorium transcribe question.wav

      sensorium transcribe talk.flac --json
    """
    from sensorium_apps.parts import component
    from sensorium_devices.sound import RATE_HZ, read_audio

    samples, notes = read_audio(sound)
    with component(bundle, "recogniser", threads) as recogniser, component(bundle, "voice_activity", threads) as voice:
        began_s = time.perf_counter()
        texts = [stretch.sure_text for stretch in recogniser.transcribe_long([samples], voice)]
        took_s = time.perf_counter() - began_s
    text = " ".join(filter(None, texts))
    seconds = len(samples) / RATE_HZ
    for what in notes:
        note(f"{sound}: {what}")
    if json:
        told = {"sound": str(sound), "text": text, "seconds": round(seconds, 3), "took_s": round(took_s, 3)}
        rate = round(took_s / seconds, 4) if seconds else None
        typer.echo(jsonlib.dumps({**told, "real_time_factor": rate, "notes": notes}, ensure_ascii=False))
    elif text:
        typer.echo(text)
    else:
        note(f"{sound}: no speech in it")
