"""How soon a camera that was cut off is seen again: from its server's return to the first percept with a live camera.

A real MJPEG camera on loopback, stopped and started; nothing may be left of all the connections in between.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, MonotonicClock
from sensorium.events import Percept
from sensorium.health import State
from sensorium_apps.benches.figures import percentile, spread
from sensorium_apps.benches.machine import descriptors, machine
from sensorium_apps.benches.sessions import camera_session, sees, turned, wait_for
from sensorium_devices.factory import open_camera
from sensorium_devices.isolate import Isolate
from sensorium_devices.opencv import load_opencv
from sensorium_devices.virtual import MjpegServer

FPS = 30.0
OUTAGE_S = (0.05, 0.8)  # of every cycle, at random, so that it falls anywhere between two tries to connect
FLOOR_ROUNDS = 10


def recovery(cycles: int, isolate: Isolate, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Figures, floor, spread and machine."""
    with MjpegServer(noise(), FPS) as server:
        floor = [_opened_ms(server.url) for _ in range(FLOOR_ROUNDS)]
    before = open_things()
    recovered = recover(cycles, isolate, progress)
    after = open_things()
    return {
        "figures": {
            "recovery_p95_ms": percentile(recovered, 95),
            "recovery_p50_ms": percentile(recovered, 50),
            **{f"{what}_leaked": max(0, after[what] - before[what]) for what in before},
        },
        "spread": {"recovery_ms": spread(recovered)},
        # The same server, opened by OpenCV alone until its first frame: nobody is back sooner.
        "floor": {"open_p50_ms": percentile(floor, 50), "open_p95_ms": percentile(floor, 95)},
        "cycles": cycles,
        "isolate": isolate.value,
        "machine": machine(),
    }


def recover(cycles: int, isolate: Isolate, progress: Callable[[int], None] = lambda _: None) -> list[float]:
    """From each return of the camera to the first percept in which it is live [ms]."""
    rng = np.random.default_rng(0)
    recovered = []
    with MjpegServer(noise(), FPS) as server:
        camera = open_camera(server.url, MonotonicClock(), isolate=isolate)
        assert camera is not None  # an address is no "none"
        with camera_session(camera) as session:
            wait_for(session, sees, "a first picture")
            for cycle in range(cycles):
                server.stop()
                wait_for(session, turned(State.ABSENT), f"the loss of cycle {cycle}")
                time.sleep(float(rng.uniform(*OUTAGE_S)))
                back_ns = time.monotonic_ns()
                server.start()
                percept = wait_for(
                    session,
                    lambda event: sees(event) and event.at_ns >= back_ns,  # noqa: B023 - it is called at once
                    f"a picture after cycle {cycle}",
                )
                assert isinstance(percept, Percept)
                recovered.append((percept.at_ns - back_ns) / NS_PER_MS)
                progress(cycle + 1)
    return recovered


def open_things() -> dict[str, int]:
    """How many threads, file descriptors and child processes this process has."""
    deadline = time.monotonic() + 3.0  # a server's thread may still be on its way out
    threads = threading.active_count()
    while threads > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
        threads = threading.active_count()
    return {"threads": threads, "fds": descriptors(), "processes": _children()}


def noise() -> Callable[[], NDArray[np.uint8]]:
    """A scene with a sensor's noise: no two frames are alike."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(30, 220, (12, 16, 3)), np.ones((20, 20, 1)))  # (240, 320, 3)
    frames = [(blocks + rng.normal(0, 2, blocks.shape)).clip(0, 255).astype(np.uint8) for _ in range(8)]
    turn = iter(range(1 << 60))
    return lambda: frames[next(turn) % len(frames)]


def _opened_ms(url: str) -> float:
    cv2 = load_opencv()
    began_ns = time.monotonic_ns()
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    capture.read()
    took_ns = time.monotonic_ns() - began_ns
    capture.release()
    return took_ns / NS_PER_MS


def _children() -> int:
    """Of all threads: Linux lists children by the thread that started them."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        return 0
    return sum(len((task / "children").read_text(encoding="utf-8").split()) for task in tasks.iterdir())
