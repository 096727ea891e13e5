"""The commands of ``sensorium``, each in a module of its own that imports what it needs when it runs."""

import os
from typing import Annotated

import typer

from sensorium_apps.commands import (
    bench,
    compare,
    compile_,
    demo,
    describe,
    devices,
    doctor,
    evaluate,
    headset,
    inspect_,
    kiosk,
    pull,
    replay,
    robot,
    run,
    say,
    targets,
    transcribe,
)
from sensorium_apps.failures import DEBUG_VARIABLE, CarefulGroup, log_to_stderr

ABOUT = """Run a multimodal model on the camera and microphone you have; it keeps answering when they fail.

First: sensorium pull && sensorium compile companion. Then: sensorium run"""

app = typer.Typer(
    cls=CarefulGroup,
    help=ABOUT,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"sensorium {version('sensorium')}")
        except PackageNotFoundError:
            typer.echo("sensorium, a checkout that is not installed")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log.")] = False,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"
    log_to_stderr()


app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("pull")(pull.pull)
app.command("devices")(devices.devices)
app.command("doctor")(doctor.doctor)
app.add_typer(bench.app, name="bench")
app.command("compile")(compile_.compile_)
app.command("targets")(targets.targets)
app.command("inspect")(inspect_.inspect_)
app.command("compare")(compare.compare)
app.command("evaluate")(evaluate.evaluate)
app.command("replay")(replay.replay)
app.command("say")(say.say)
app.command("transcribe")(transcribe.transcribe)
app.command("describe")(describe.describe)
app.command("headset")(headset.headset)
app.command("robot")(robot.robot)
app.command("kiosk")(kiosk.kiosk)
