"""``sensorium bench barge-in``: how soon the machine falls silent for who speaks over it."""

from pathlib import Path
from typing import Annotated

import typer

from sensorium_apps import options
from sensorium_apps.commands.bench import Json, tell


def barge_in(
    json: Json = None,
    bundle: options.Bundle = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often a user speaks over the machine.")] = 20,
    seconds: Annotated[float, typer.Option(min=1.0, help="The machine speaks for so long with nobody there.")] = 60.0,
    trials: Annotated[int, typer.Option(min=1, help="How many interruptions are computed, for who is noticed.")] = 400,
    speech: Annotated[
        Path | None,
        typer.Option(help="A recording of the user's voice, or a folder; else the machine's own, higher and slower."),
    ] = None,
) -> None:
    """How soon speech output stops once a voice is noticed, and whether the machine's own voice interrupts it.

    Needs PulseAudio, whose null sink is microphone and loudspeaker. How often a user is noticed, who is louder or
    softer than the machine, is computed for a cable, for rooms and for a loudspeaker that stumbles.

    Example:

      sensorium bench barge-in --speech jfk.wav --json barge-in.json
    """
    from sensorium_apps.benches.barge_in import barge_in
    from sensorium_apps.benches.double_talk import LEVELS_DB
    from sensorium_apps.paths import find_bundle

    told = barge_in(find_bundle(bundle), rounds, seconds, trials, speech, lambda line: typer.echo(line, err=True))
    figures, floor, computed = told["figures"], told["floor"], told["double_talk"]
    levels = ", ".join(
        f"{computed[f'noticed_at_{level_db}_db_ratio']:.0%} at {level_db:+d} dB" for level_db in LEVELS_DB
    )
    lines = [
        f"silent            {figures['stop_p50_ms']:.0f} ms after a voice was noticed (p50), "
        f"{figures['stop_ms']:.0f} ms (p95)",
        f"the speaker alone {floor['speaker_stop_p50_ms']:.0f} ms after its stop (p50), "
        f"{floor['speaker_stop_p95_ms']:.0f} ms (p95)",
        f"since the onset   {figures['onset_to_silence_p50_ms']:.0f} ms (p50), of which it takes "
        f"{figures['onset_to_detection_p50_ms']:.0f} ms to be sure of a voice",
        f"interrupted       {figures['interrupted_ratio']:.0%} of {rounds}",
        f"by its own voice  {figures['self_interruptions']} times in {figures['own_speech_s']:.0f} s",
        f"computed: noticed {levels}",
        f"  by its own voice {computed['self_interruptions']} times in {computed['own_speech_s']:.0f} s",
    ]
    tell(told, json, lines)
