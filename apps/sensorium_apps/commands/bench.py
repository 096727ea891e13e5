"""``sensorium bench``: figures of this machine."""

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from sensorium_apps import options
from sensorium_apps.progress import progress_bar
from sensorium_devices.isolate import Isolate

Json: TypeAlias = Annotated[Path | None, typer.Option(help="Write the figures to this file; - is standard output.")]
SOAK_TICK_MS = 200.0  # as a session's
SECONDS_PER_FAULT = 3.0  # in real time; a day of virtual time is given as many as are asked for

app = typer.Typer(help="Measure Sensorium on this machine. Example: sensorium bench startup", no_args_is_help=True)


@app.command("startup")
def startup(
    json: Json = None,
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes for each figure.")] = 7,
) -> None:
    """Time and memory of 'import sensorium', disk of the runtime, against the floor of Python and numpy.

    Example:

      sensorium bench startup --json startup.json
    """
    from sensorium_apps.benches.startup import startup

    told = startup(rounds)
    tell(told, json, _startup_lines(told))


@app.command("stall")
def stall(
    json: Json = None,
    cycles: Annotated[int, typer.Option(min=1, help="Reads that block.")] = 100,
    hours: Annotated[float, typer.Option(min=0.01, help="Virtual time in which nothing is wrong.")] = 1.0,
    data: Annotated[
        Path | None, typer.Option(help="A folder of real photos, sounds and videos for it; else they are synthesised.")
    ] = None,
) -> None:
    """How soon a read that never returns is found, and false alarms in an hour of virtual time.

    Example:

      sensorium bench stall --data DIR --json stall.json
    """
    from sensorium_apps.benches.stall import stall

    told = stall(cycles, hours, data, lambda line: typer.echo(line, err=True))
    figures, spread = told["figures"], told["spread"]["detected_ms"]
    lines = [
        f"a blocked read is found after {figures['detected_ms']:.1f} ms (p95 of {cycles}; {spread['least']:.1f} to "
        f"{spread['most']:.1f}; three frames are {figures['limit_ms']:.0f} ms)",
        f"waiting alone takes            {told['floor']['wait_ms']:.1f} ms (p95)",
        f"false alarms                   {figures['false_alarms_per_h']:g} an hour, over {told['material']['origin']}",
        *(f"  {count} x {what}" for what, count in told["alarms"].items()),
    ]
    tell(told, json, lines)


@app.command("recovery")
def recovery(
    json: Json = None,
    cycles: Annotated[int, typer.Option(min=1, help="How often the camera is cut off.")] = 200,
    isolate: options.Isolation = Isolate.AUTO,
) -> None:
    """How soon a network camera that was cut off is seen again after its return, and what was left behind.

    Example:

      sensorium bench recovery --json recovery.json
    """
    from sensorium_apps.benches.recovery import recovery

    told = recovery(
        cycles, isolate, lambda done: typer.echo(f"{done} of {cycles}", err=True) if done % 20 == 0 else None
    )
    figures, floor = told["figures"], told["floor"]
    lines = [
        f"seen again      {figures['recovery_p50_ms']:.0f} ms after its return (p50), "
        f"{figures['recovery_p95_ms']:.0f} ms (p95 of {cycles})",
        f"OpenCV alone    {floor['open_p50_ms']:.0f} ms (p50) until the first frame",
        f"left behind     {figures['threads_leaked']} threads, {figures['fds_leaked']} descriptors, "
        f"{figures['processes_leaked']} processes",
    ]
    tell(told, json, lines)


@app.command("pairing")
def pairing(
    json: Json = None,
    drift_ppm: Annotated[
        float, typer.Option(help="How far the microphone's crystal is off [parts per million].")
    ] = 100.0,
    minutes: Annotated[float, typer.Option(min=0.1, help="Virtual time.")] = 10.0,
) -> None:
    """How far apart camera and microphone place one event, with and without the fit of the microphone's clock.

    Example:

      sensorium bench pairing --drift-ppm 200
    """
    from sensorium_apps.benches.pairing import pairing

    told = pairing(drift_ppm, minutes)
    lines = [
        f"camera and microphone are {told['figures']['skew_p95_ms']:.1f} ms apart (p95 of {told['claps']} claps)",
        f"without the fit           {told['floor']['uncorrected_skew_p95_ms']:.1f} ms",
    ]
    tell(told, json, lines)


@app.command("ladder")
def ladder(
    json: Json = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Under each load, after 10 seconds to settle.")] = 30.0,
) -> None:
    """Whether the deadline is kept under a CPU hog and at 90 °C by going down the ladder, and when it is up again.

    Takes all the processor there is, for some minutes.

    Example:

      sensorium bench ladder --json ladder.json
    """
    from sensorium_apps.benches.ladder import ladder
    from sensorium_apps.failures import note

    told = ladder(seconds, note)
    tell(told, json, _ladder_lines(told))


@app.command("fallback")
def fallback(
    json: Json = None,
    bundle: options.Bundle = None,
    rounds: Annotated[int, typer.Option(min=10, help="Runs of each graph, in each form, in turn.")] = 200,
) -> None:
    """What it costs that a graph can be replaced while it runs, and that live commands guard it against hanging.

    Example:

      sensorium bench fallback --bundle keypad.bundle
    """
    from sensorium_apps.benches.fallback import fallback
    from sensorium_apps.paths import find_bundle

    told = fallback(find_bundle(bundle), rounds)
    tell(told, json, _fallback_lines(told))


@app.command("native")
def native(
    runner: Annotated[Path, typer.Argument(help="The program sensorium-native, built as cmake/README.md says.")],
    recording: Annotated[Path, typer.Argument(help="A file that sensorium run --record has written.")],
    json: Json = None,
    bundle: options.Bundle = None,
    against: Annotated[
        Path | None, typer.Option(help="Another bundle for Python, e.g. of a backend that is lighter there.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Fresh processes of each.")] = 7,
) -> None:
    """Start and memory of the native runner and of Python on one recording, in turn, and whether they tell the same.

    Example:

      sensorium bench native build/x86_64/sensorium-native talk.mcap --bundle keypad.bundle
    """
    from sensorium_apps.benches.native import native
    from sensorium_apps.paths import find_bundle

    told = native(runner, find_bundle(bundle), recording, rounds, against)
    figures = told["figures"]
    lines = [
        f"first event  {figures['native_start_s']:.3f} s, Python {figures['python_start_s']:.3f} s "
        f"(ratio {figures['start_s_ratio']:.3f})",
        f"memory       {figures['native_rss_mb']:.1f} MB at most, Python {figures['python_rss_mb']:.1f} MB "
        f"(ratio {figures['rss_mb_ratio']:.3f})",
        f"{figures['events']} events, {'the same' if figures['same'] else 'not the same'}; {told['rounds']} rounds",
    ]
    tell(told, json, lines)


@app.command("soak")
def soak(
    json: Json = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="Run a session with all its threads for so long.")] = 60.0,
    virtual_hours: Annotated[
        float | None, typer.Option(min=0.01, help="Instead: so many hours of virtual time, as fast as they compute.")
    ] = None,
    faults: Annotated[int | None, typer.Option(min=0, help="How many; default: one every three seconds.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the faults; the same seed draws the same.")] = 0,
) -> None:
    """A chaos run: made-up senses fail at random, and what must hold whatever fails is checked all the time.

    Every tick is answered before the next; what comes in is done or dropped; presence in the output is the truth
    within the time that a fault needs to be noticed; nothing is leaked. Ends with 1 where something did not hold.

    Examples:

      sensorium bench soak --seconds 60

      sensorium bench soak --virtual-hours 24 --faults 1000 --json soak.json
    """
    from sensorium.clock import NS_PER_MS, NS_PER_S
    from sensorium.errors import SensoriumError
    from sensorium_apps.benches.soak.memory import count_exactly
    from sensorium_apps.benches.soak.outcome import Plan
    from sensorium_apps.benches.soak.soak import soak

    count_exactly()
    length_s = seconds if virtual_hours is None else 3600 * virtual_hours
    count = round(length_s / SECONDS_PER_FAULT) if faults is None else faults
    tick_ns = int(SOAK_TICK_MS * NS_PER_MS)
    plan = Plan(int(length_s * NS_PER_S), count, seed, tick_ns, virtual=virtual_hours is not None)
    what = "failing on purpose"
    with progress_bar(what, counted=False) as progress:
        told = soak(plan, lambda done, total: progress(what, done, total))
    tell(told, json, _soak_lines(told))
    if told["run"]["interrupted"]:
        raise KeyboardInterrupt
    if told["violations"]:
        raise SensoriumError(f"{len(told['violations'])} violations; --seed {seed} draws the same faults again")


def tell(told: dict[str, Any], json: Path | None, lines: list[str]) -> None:
    """Figures as JSON where that was asked for, and for a person unless they were to go there, too."""
    if json is not None:
        text = jsonlib.dumps(told, indent=1, ensure_ascii=False) + "\n"
        if str(json) == "-":
            typer.echo(text, nl=False)
            return
        json.write_text(text, encoding="utf-8")
    lines = [*lines, f"on {told['machine']['processor']}, load {told['machine']['load_1min']}"]
    typer.echo("\n".join(lines))


def _ladder_lines(told: dict[str, Any]) -> list[str]:
    figures = told["figures"]
    lines = [f"  {change}" for change in told["changes"]]
    for what in ("hog", "heat"):
        one = figures[what]
        back = "not back at the top" if one["back_s"] is None else f"back at the top after {one['back_s']:.0f} s"
        lines.append(
            f"{what:5} ticks {one['before_p95_ms']:.0f} -> {one['under_p95_ms']:.0f} ms late (p95), senses "
            f"{one['before_behind_p95_ms']:.0f} -> {one['at_first_behind_p95_ms']:.0f} -> "
            f"{one['under_behind_p95_ms']:.0f} ms behind; deadline {'kept' if one['kept'] else 'missed'}, "
            f"deepest {one['deepest']}, {back}, changes {one['apart_s']:.1f} s apart or more"
        )
    floor = told["floor"]
    lines.append(
        f"a thread that only sleeps is {floor['sleeping_thread_before_p95_ms']:.0f} ms late (p95) without any load of "
        f"ours, {floor['sleeping_thread_p95_ms']:.0f} ms under the hog"
    )
    if told["busy_before"]:
        lines.append("others kept this machine busy before it began: run it again on a quiet one to judge the ladder")
    return lines


def _fallback_lines(told: dict[str, Any]) -> list[str]:
    return [
        f"{name:28} bare {one['bare_ms']:8.3f} ms, replaceable {one['replaceable_ms']:8.3f} ms, "
        f"ratio {one['ratio']:.3f} ({one['spread'][0]:.3f} to {one['spread'][1]:.3f}), guarded "
        f"{one['guarded_ratio']:.3f} ({one['guarded_spread'][0]:.3f} to {one['guarded_spread'][1]:.3f}), handed over "
        f"{one['handed_over_ratio']:.3f} ({one['handed_over_spread'][0]:.3f} to {one['handed_over_spread'][1]:.3f})"
        for name, one in told["figures"].items()
    ]


def _soak_lines(told: dict[str, Any]) -> list[str]:
    figures, floor, run = told["figures"], told["floor"], told["run"]
    ratio, late = figures["answered_ratio"], floor["wait_late_p99_ms"]
    lines = [
        f"ran       {run['lasted_s']:.0f} s{', then interrupted,' if run['interrupted'] else ''}"
        f"{' of virtual time' if run['virtual'] else ''} in {run['took_s']:.0f} s, {figures['faults']} faults "
        f"({figures['faults_judged']} had to be told, alone and long enough), seed {run['seed']}",
        f"answered  {'no tick was due' if ratio is None else f'{ratio:.2%}'} of {figures['ticks']} ticks before the "
        f"next; p99 {figures['late_p99_ms']:.1f} ms late"
        + (f" (a thread that only waits: {late:.1f} ms)" if late is not None else ", the tick's own work"),
        f"judged    {figures['judged_ratio'] or 0:.0%} of them against the truth"
        + ("" if run["virtual"] else "; during the others the machine itself was late"),
        f"memory    after half of the run in use {_grown(figures['growth_mb'], figures['slope_mb_per_h'])}; resident "
        f"{_grown(figures['rss_growth_mb'], figures['rss_slope_mb_per_h'])}, {floor['rss_mb']:.1f} MB at first",
        f"leaked    {figures['threads_leaked']} threads, {figures['fds_leaked']} file descriptors",
        f"broken    {figures['violations']} invariants",
    ]
    lines += [
        f"  {v['at_s']:.1f} s  {v['invariant']}: {v['told']}" + (f" ({', '.join(v['faults'])})" if v["faults"] else "")
        for v in told["violations"]
    ]
    return lines


def _grown(mb: float | None, mb_per_h: float | None) -> str:
    if mb is None:
        return "not counted here"
    return f"{mb:+.3f} MB" + ("" if mb_per_h is None else f" ({mb_per_h:+.3f} MB/h)")


def _startup_lines(told: dict[str, Any]) -> list[str]:
    figures, floor, spread = told["figures"], told["floor"], told["spread"]
    low, high = spread["import_s"]
    return [
        f"import sensorium  {figures['import_s']:.3f} s ({low:.3f} to {high:.3f}; numpy alone "
        f"{floor['numpy_import_s']:.3f} s)",
        f"memory after it   {figures['rss_mb']:.1f} MB (Python {floor['python_rss_mb']:.1f}, with numpy "
        f"{floor['numpy_rss_mb']:.1f} MB)",
        f"with a session    {figures['session_import_s']:.3f} s, {figures['session_rss_mb']:.1f} MB",
        f"installed         {figures['install_mb']:.1f} MB with all that the runtime requires",
        f"torch imported    {'yes' if figures['torch_imported'] else 'no'}",
        f"{told['rounds']} rounds",
    ]
