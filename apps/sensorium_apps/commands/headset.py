"""``sensorium headset``: text and boxes over what the wearer sees."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sensorium_apps import options


def headset(
    bundle: options.Bundle = None,
    camera: options.Camera = "0",
    mic: options.Mic = "default",
    speaker: options.Speaker = "default",
    pictures: Annotated[
        Path | None, typer.Option(help="A folder for the camera's pictures with the overlay on them.")
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Show them in a window (needs opencv-python).")] = False,
    json: options.Json = False,
    seconds: options.Seconds = None,
    threads: options.Threads = 0,
    fault: options.Faults = None,
    privacy: options.Privacy = None,
    keep_faces: options.KeepFaces = False,
) -> None:
    """Label what is seen, caption what is said, and tell when a sense is gone.

    Example:

      sensorium headset --camera 0 --pictures overlay/

    In the window, c gives and takes back consent to what is kept.
    """
    from sensorium.samples import Frame
    from sensorium_apps.consent import BY_KEY, KEY
    from sensorium_apps.headset import Pictures, Rules
    from sensorium_apps.live import Inputs, live

    rules = Rules()
    policy = options.policy(privacy, keep_faces)
    sink = Pictures(pictures, policy.keep_days) if pictures or window else None
    inputs = Inputs(bundle, camera, mic, speaker=speaker, threads=threads, faults=tuple(fault or ()), privacy=policy)
    with live(inputs) as running:
        guard = running.session.privacy
        eye = next((source for source in running.sources if source.modality == "vision"), None)
        shown = -1
        for event in running.events(seconds):
            overlay = rules.take(event) if event is not None else None
            if overlay is not None:
                lines = overlay.lines()
                text = jsonlib.dumps(asdict(overlay), ensure_ascii=False) if json else " | ".join(lines)
                typer.echo(text or "-")
            frame = eye.newest if eye else None
            if sink and isinstance(frame, Frame) and frame.captured_ns != shown:
                shown = frame.captured_ns
                if not pictures or guard.keeps("vision"):
                    key = sink.show(guard.shown(frame).frame.image, rules.overlay)
                    if key == KEY:
                        running.session.consent(not guard.consent, BY_KEY)
