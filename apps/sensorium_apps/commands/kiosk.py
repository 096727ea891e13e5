"""``sensorium kiosk``: prompts for whoever comes by."""

import json as jsonlib
from dataclasses import asdict

import typer

from sensorium_apps import options


def kiosk(
    bundle: options.Bundle = None,
    camera: options.Camera = "0",
    mic: options.Mic = "default",
    text: options.Text = "-",
    speaker: options.Speaker = "default",
    json: options.Json = False,
    seconds: options.Seconds = None,
    threads: options.Threads = 0,
    fault: options.Faults = None,
    privacy: options.Privacy = None,
) -> None:
    """Greet who comes, answer, take what is entered by hand or voice, and offer typing when the microphone is dead.

    Examples:

      sensorium kiosk --camera 0 --text -

      sensorium kiosk --bundle keypad.bundle
    """
    from sensorium_apps.entry import Entry
    from sensorium_apps.kiosk import Rules
    from sensorium_apps.live import Inputs, live

    policy, faults = options.policy(privacy), tuple(fault or ())
    with live(Inputs(bundle, camera, mic, text, speaker, threads=threads, faults=faults, privacy=policy)) as running:
        rules = Rules(entry=Entry(frozenset(running.wanted)))
        for event in running.events(seconds):
            for prompt in rules.take(event) if event is not None else ():
                plain = f"[{prompt.phase}{', type' if prompt.typing else ''}] {prompt.text}"
                typer.echo(jsonlib.dumps(asdict(prompt), ensure_ascii=False) if json else plain)
