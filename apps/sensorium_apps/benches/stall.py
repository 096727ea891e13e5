"""How soon a read that never returns is found, and how often a stall is told where there is none.

The first with a whole session on a camera of 30 frames a second whose read blocks at a random moment: from the block
to the event. The second in virtual time over pictures and sounds, see ``false_alarms``.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.events import HealthChanged, Percept
from sensorium.health import STALE_PERIODS, State
from sensorium.samples import Frame, Sample
from sensorium.source import SourceInfo
from sensorium_apps.benches.false_alarms import false_alarms
from sensorium_apps.benches.figures import percentile, spread
from sensorium_apps.benches.machine import machine
from sensorium_apps.benches.material import recorded, synthesised
from sensorium_apps.benches.sessions import camera_session, turned, wait_for

FPS = 30
LIMIT_MS = 3 * 1000 / FPS  # three frame intervals
BEFORE_BLOCK = (8, 20)  # frames


class Blocking:
    """A camera of 30 fps whose read blocks after some frames until it is let go, again and again."""

    modality, name, finite = "vision", "a camera that hangs", False

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._image = self._rng.integers(0, 255, (240, 320, 3)).astype(np.uint8)
        self._closed = threading.Event()
        self._left = self._seq = 0
        self._due_s = 0.0
        self.blocked_ns = 0
        self.let_go = threading.Semaphore(0)

    def open(self) -> SourceInfo:
        """Ready at once."""
        self._closed.clear()
        self._due_s = time.monotonic()
        self._left = int(self._rng.integers(*BEFORE_BLOCK))
        return SourceInfo("320x240 at 30 fps", NS_PER_S // FPS)

    def read(self) -> Sample | None:
        """The next frame when it is due; then none, however long one waits."""
        if self._left == 0:
            self.blocked_ns = time.monotonic_ns()
            self.let_go.acquire()
            self._left = int(self._rng.integers(*BEFORE_BLOCK))
            self._due_s = time.monotonic()
        if self._closed.wait(max(0.0, self._due_s - time.monotonic())):
            return None
        self._due_s += 1 / FPS
        self._left -= 1
        self._seq += 1
        image = np.roll(self._image, self._seq, axis=1)
        return Frame(time.monotonic_ns(), self._seq, image)

    def close(self) -> None:
        """Let go of who is blocked."""
        self._closed.set()
        self.let_go.release()


def stall(
    cycles: int, hours: float, data: Path | None, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Figures, floor, spread and machine."""
    detected, early = detect(cycles)
    progress(f"{cycles} stalls found")
    material = recorded(data) if data is not None else synthesised()
    alarms = false_alarms(
        material, hours * 3600, progress=lambda at_s: progress(f"{at_s / 60:.0f} of {hours * 60:.0f} virtual minutes")
    )
    return {
        "figures": {
            "detected_ms": percentile(detected, 95),
            "limit_ms": LIMIT_MS,
            "false_alarms_per_h": round(len(alarms) / hours, 2),
            "early": early,
        },
        "spread": {"detected_ms": spread(detected)},
        "floor": {"wait_ms": percentile(_waits(cycles), 95)},
        "alarms": dict(Counter(f"{alarm.modality} {alarm.reason}" for alarm in alarms)),
        "material": {
            "origin": material.origin,
            "pictures": len(material.pictures),
            "videos": [path.name for path in material.videos],
            "sounds": len(material.sounds),
            "hours": hours,
        },
        "cycles": cycles,
        "machine": machine(),
    }


def detect(cycles: int) -> tuple[list[float], int]:
    """From each block to the event [ms], and how many stalls were told before any read blocked."""
    camera = Blocking()
    detected: list[float] = []
    early = 0
    with camera_session(camera) as session:
        while len(detected) < cycles:
            event = wait_for(session, lambda event: isinstance(event, Percept) or turned(State.STALE)(event), "a stall")
            blocked_ns = camera.blocked_ns
            if isinstance(event, HealthChanged) and blocked_ns and event.at_ns >= blocked_ns:
                detected.append((event.at_ns - blocked_ns) / NS_PER_MS)
            elif isinstance(event, HealthChanged):  # the machine was late with a frame
                early += 1
                continue
            elif not blocked_ns or event.at_ns < blocked_ns + NS_PER_S:
                continue  # else it blocked while a frame that was late was told
            camera.blocked_ns = 0
            camera.let_go.release()
    return detected, early


def _waits(count: int) -> list[float]:
    """How long it takes this machine to wait for as long as a stall is waited for [ms]: nothing can be found sooner."""
    waits = []
    never = threading.Event()
    for _ in range(count):
        began_ns = time.monotonic_ns()
        never.wait(STALE_PERIODS / FPS)
        waits.append((time.monotonic_ns() - began_ns) / NS_PER_MS)
    return waits
