"""``sensorium robot``: perception as messages."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from sensorium_apps import options


def robot(
    bundle: options.Bundle = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            help="Index, address, file, folder of pictures, or none; default 0. May be repeated: each has a session of "
            "its own on the same graphs, and from the second one on topics begin with /camera1, /camera2 ..."
        ),
    ] = None,
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

      sensorium robot --camera 0 --camera 2 --camera 4 --camera 6
    """
    from sensorium.shared import SharedGraphs
    from sensorium_apps.live import Inputs, live, merged
    from sensorium_apps.robot import McapSink, Rules

    first, *others = camera or ["0"]
    policy = options.policy(privacy)
    rules = [Rules(fov), *(Rules(fov, ("vision",), f"/camera{place}") for place, _ in enumerate(others, 1))]
    told = [Inputs(bundle, first, mic, text, speaker, threads=threads, faults=tuple(fault or ()), privacy=policy)]
    told += [Inputs(bundle, other, threads=threads, privacy=policy) for other in others]
    shared = SharedGraphs() if others else None
    with ExitStack() as stack:
        sink = stack.enter_context(closing(McapSink(mcap, policy.keep_days))) if mcap else None
        running = [stack.enter_context(live(inputs, shared)) for inputs in told]
        consent = running[0].session.privacy  # what is typed and said goes to the first
        for place, event in merged(running, seconds):
            for message in rules[place].take(event):
                typer.echo(message.to_json())
                if sink and consent.keeps(message.kind):
                    sink.write(message)
