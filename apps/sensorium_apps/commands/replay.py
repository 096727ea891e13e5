"""``sensorium replay``: the decisions of a recorded session, made again."""

import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from sensorium.bundle import Bundle
    from sensorium.events import Event


def replay(
    recording: Annotated[Path, typer.Argument(help="A file that sensorium run --record has written.")],
    bundle: options.Bundle = None,
    check: Annotated[bool, typer.Option("--check", help="Replay twice and compare every byte.")] = False,
    messages: Annotated[
        Path | None,
        typer.Option(help="Instead write the recording as the native runner reads it; - is standard output."),
    ] = None,
    json: options.Json = False,
    threads: options.Threads = 1,
) -> None:
    """Play a recording through the same bundle: the same samples lead to the same events.

    Of a recording with blurred faces or without sound (the default of --record) it decides anew, from what is left.

    Examples:

      sensorium replay talk.mcap --json

      sensorium replay talk.mcap --check

      sensorium replay talk.mcap --messages - | sensorium-native keypad.bundle
    """
    if messages is not None:
        _write_messages(recording, messages)
        return
    from sensorium.bundle import Bundle
    from sensorium_apps.paths import find_bundle

    with Bundle(find_bundle(bundle)) as opened:
        if check:
            _check(opened, recording, threads, json)
        else:
            from sensorium_apps.live import known_labels

            _print(_replayed(opened, recording, threads), json, known_labels(opened))


def _write_messages(recording: Path, out: Path) -> None:
    from sensorium_apps.journal import RecordedSession

    with (
        RecordedSession(recording) as recorded,
        nullcontext(sys.stdout.buffer) if str(out) == "-" else out.open("wb") as stream,
    ):
        for message in recorded.messages():
            stream.write(message)


def _replayed(bundle: "Bundle", recording: Path, threads: int) -> "Iterator[Event]":
    from sensorium.assemble import assemble
    from sensorium.replay import replay
    from sensorium_apps.failures import note
    from sensorium_apps.journal import RecordedSession

    with RecordedSession(recording) as recorded:
        if not recorded.settings.privacy.faithful:
            note(f"{recording} was kept with {recorded.settings.privacy}; what is decided now may differ from then")
        parts = assemble(bundle, look_for=recorded.settings.look_for, threads=threads)
        yield from replay(recorded.settings, recorded.steps(), parts)


def _print(events: "Iterator[Event]", json: bool, wanted: tuple[str, ...]) -> None:
    from sensorium.events import to_json
    from sensorium_apps.lines import Lines

    lines = Lines(frozenset(wanted))
    for event in events:
        for line in [to_json(event)] if json else lines.take(event):
            typer.echo(line)


def _check(bundle: "Bundle", recording: Path, threads: int, json: bool) -> None:
    """Two replays side by side; the first difference is an error that shows both."""
    from sensorium.errors import RecordingError
    from sensorium.events import to_json

    count = 0
    first, second = (_replayed(bundle, recording, threads) for _ in range(2))
    for one in first:
        other = next(second, None)
        theirs = to_json(other) if other is not None else "nothing"
        if to_json(one) != theirs:
            raise RecordingError(f"{recording}: event {count} differs: {to_json(one)} against {theirs}")
        count += 1
    if (extra := next(second, None)) is not None:
        raise RecordingError(f"{recording}: the second replay tells more: {to_json(extra)}")
    told = {"recording": str(recording), "events": count, "same": True}
    typer.echo(jsonlib.dumps(told) if json else f"{recording}: {count} events, the same twice")
