"""The chaos run: draws faults, runs the small world with them, tells what did not hold."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sensorium_apps.benches.soak.draw import draw
from sensorium_apps.benches.soak.outcome import Plan, Progress
from sensorium_apps.benches.soak.real import run_real
from sensorium_apps.benches.soak.simulated import run_simulated
from sensorium_apps.benches.soak.world import PERIODS_NS, Light, encoders
from sensorium_devices.faults import Fault


def soak(
    plan: Plan,
    progress: Progress = lambda *_: None,
    light: dict[str, Light] | None = None,
    faults: Sequence[Fault] | None = None,
) -> dict[str, Any]:
    """Figures, floor, machine, and every violation with its time and faults.

    ``light`` and ``faults``: instead of the world's own encoders and of what the plan's seed draws.
    """
    if faults is None:
        faults = draw(tuple(PERIODS_NS), plan.faults, plan.length_ns, plan.seed)
    run = run_simulated if plan.virtual else run_real
    with _without_log():
        return run(plan, faults, light or encoders(), progress).told()


@contextmanager
def _without_log() -> Iterator[None]:
    """What fails on purpose is not to be told a thousand times."""
    logger = logging.getLogger("sensorium")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
