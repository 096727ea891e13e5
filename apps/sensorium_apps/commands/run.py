"""``sensorium run``: a live session."""

from sensorium_apps import options
from sensorium_devices.isolate import Isolate


def run(
    bundle: options.Bundle = None,
    camera: options.Camera = "0",
    mic: options.Mic = "default",
    text: options.Text = "none",
    speaker: options.Speaker = "default",
    look_for: options.LookFor = "",
    record: options.Record = None,
    json: options.Json = False,
    seconds: options.Seconds = None,
    tick_ms: options.TickMs = 200.0,
    threads: options.Threads = 0,
    reword: options.Reword = False,
    sensor: options.Sensors = None,
    isolate: options.Isolation = Isolate.AUTO,
    ladder: options.Ladder = None,
    fault: options.Faults = None,
    keep_faces: options.KeepFaces = False,
    keep_voice: options.KeepVoice = False,
    keep_days: options.KeepDays = None,
    await_consent: options.AwaitConsent = False,
    privacy: options.Privacy = None,
    explain: options.Explain = False,
) -> None:
    """See, hear and converse. What cannot be opened is absent, and told; the session goes on.

    Examples:

      sensorium run --look-for "a cat, a red cup"

      sensorium run --camera none --mic none --text -

      sensorium run --bundle keypad.bundle --camera 0 --mic default

      sensorium run --bundle nose.bundle --camera none --mic none --sensor smell=gas.csv

      sensorium run --camera rtsp://10.0.0.5/live --json --seconds 60

      sensorium run --ladder hot.toml

      sensorium run --record talk.mcap --keep-days 30

      sensorium run --record exact.mcap --keep-faces --keep-voice

      sensorium run --look-for "a cat, a dog" --explain

      sensorium run --fault camera:blocked@10s+5s --fault mic:muted@12s+5s
    """
    from sensorium_apps.live import Inputs, live
    from sensorium_apps.telling import tell_all, teller

    wanted = options.texts(look_for)
    sensors, faults = tuple(sensor or ()), tuple(fault or ())
    policy = options.policy(privacy, keep_faces, keep_voice, keep_days, await_consent)
    inputs = Inputs(
        bundle,
        camera,
        mic,
        text,
        speaker,
        wanted,
        record,
        tick_ms,
        threads,
        reword,
        sensors,
        isolate,
        ladder,
        faults,
        policy,
    )
    with live(inputs) as running, teller(running, running.wanted, json, explain) as told:
        tell_all(running, told, running.events(seconds))
