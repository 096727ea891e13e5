"""``sensorium robot``: perception as messages."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from sensorium_apps import options


def robot(
    bundle: options.Bundle = None,
    camera: options.Camera = "0",
    mic: options.Mic = "default",
    text: options.Text = "none",
    speaker: options.Speaker = "none",
    mcap: Annotated[Path | None, typer.Option(help="Keep the messages in this MCAP file, too.")] = None,
    fov: Annotated[float, typer.Option(min=1, max=179, help="The camera's horizontal field of view in degrees.")] = 60,
    seconds: options.Seconds = None,
    threads: options.Threads = 0,
    fault: options.Faults = None,
    privacy: options.Privacy = None,
) -> None:
    """Print detections with bearings, heard commands and the safety state as JSON lines.

    Example:

      sensorium robot --camera 0 --mcap drive.mcap
    """
    from sensorium_apps.live import Inputs, live
    from sensorium_apps.robot import McapSink, Rules

    rules, policy = Rules(fov), options.policy(privacy)
    with ExitStack() as stack:
        sink = stack.enter_context(closing(McapSink(mcap, policy.keep_days))) if mcap else None
        inputs = Inputs(bundle, camera, mic, text, speaker, threads=threads, faults=tuple(fault or ()), privacy=policy)
        running = stack.enter_context(live(inputs))
        for event in running.events(seconds):
            for message in rules.take(event) if event is not None else ():
                typer.echo(message.to_json())
                if sink and running.session.privacy.keeps(message.kind):
                    sink.write(message)
