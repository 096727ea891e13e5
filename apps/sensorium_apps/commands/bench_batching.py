"""``sensorium bench batching``: several streams on one runtime, one by one and in batches."""

from typing import Annotated, Any

import typer

from sensorium_apps import options
from sensorium_apps.commands.bench import Json, tell


def batching(
    json: Json = None,
    bundle: options.Bundle = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of each load, one by one and in batches in turn.")] = 10,
    seconds: Annotated[float, typer.Option(min=0.1, help="That a round of each lasts.")] = 2.0,
    threads: options.Threads = 1,
) -> None:
    """Latency, throughput and missed deadlines of every graph that takes batches, at low and at high load.

    Graphs take batches where the recipe says batch = "any".

    Example:

      sensorium bench batching --bundle four-cameras.bundle --json batching.json
    """
    from sensorium_apps.benches.batching import batching
    from sensorium_apps.paths import find_bundle

    told = batching(find_bundle(bundle), rounds, seconds, threads, lambda line: typer.echo(line, err=True))
    tell(told, json, [line for name, one in told["figures"].items() for line in _lines(name, one)])


def _lines(name: str, figures: dict[str, Any]) -> list[str]:
    cost = figures["cost"]
    lines = [
        f"{name}: {cost['call_ms']:.3f} ms a call and {cost['row_ms']:.3f} ms a row, "
        f"{figures['batch_mean']:.1f} in a batch at high load"
    ]
    for load in ("low", "high"):
        one, many = figures[load]["one_by_one"], figures[load]["batched"]
        lines.append(
            f"  {load:5} p95 {one['p95_ms']:.2f} -> {many['p95_ms']:.2f} ms (ratio {figures[load]['p95_ratio']:.2f}), "
            f"{one['per_s']:.0f} -> {many['per_s']:.0f} a second (ratio {figures[load]['throughput_ratio']:.2f}), "
            f"too late {one['missed_ratio']:.1%} -> {many['missed_ratio']:.1%}"
        )
    return lines
