"""``sensorium run`` with the companion bundle as a user runs it: a process of its own, pipes, signals, a camera."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sensorium.bundle import Bundle
from sensorium_apps.paths import default_bundle
from sensorium_compile.zoo import Weights
from sensorium_devices.images import read_image
from sensorium_devices.virtual import MjpegServer

LIMIT_S = 60.0  # for anything to happen: a slow machine with other tests beside this one
DEAF = ["--mic", "none", "--speaker", "none"]

Line: TypeAlias = Any  # a JSON object or a line of text


class Run:
    """The running command and what it printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.told: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait(self, wanted: Callable[[str], bool]) -> str:
        """The next line that is wanted."""
        deadline = time.monotonic() + LIMIT_S
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left_s)
            except queue.Empty:
                break
            if line is None:
                raise AssertionError(f"it ended before that; told: {self.told}")
            self.told.append(line)
            if wanted(line):
                return line
        raise AssertionError(f"it did not come; told: {self.told[-20:]}")

    def event(self, **wanted: str) -> dict[str, Any]:
        """The next JSON event with these values."""
        line = self.wait(lambda line: json.loads(line).items() >= wanted.items())
        event: dict[str, Any] = json.loads(line)
        return event

    def type(self, line: str) -> None:
        """Send a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def interrupt(self) -> float:
        """Press Ctrl-C; the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(LIMIT_S)
        return time.monotonic() - began

    @property
    def errors(self) -> str:
        """What it wrote to stderr, once it has ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@contextmanager
def started(*arguments: str) -> Iterator[Run]:
    """The command with the companion bundle, on pipes."""
    command = [sys.executable, "-m", "sensorium_apps", "run", "--bundle", str(default_bundle()), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Run(process)
        finally:
            process.kill()


def camera_of(photo: NDArray[np.uint8]) -> MjpegServer:
    """A camera that shows this photo with a sensor's noise."""
    scale = 640 / max(photo.shape[:2])
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0)
    return MjpegServer(lambda: np.clip(small + noise.normal(0, 2, small.shape), 0, 255).astype(np.uint8), fps=10)


def test_lines_that_are_piped_in_are_answered_one_by_one_and_its_end_is_the_sessions(companion: Bundle) -> None:
    with started("--camera", "none", *DEAF, "--text", "-") as run:
        for question, answer in [
            ("What do you see?", "I have no camera"),
            ("Can you hear me?", "I have no microphone"),
        ]:
            run.type(question)
            assert run.wait(lambda line: "you (typed): " in line).endswith(question)
            assert answer in run.wait(lambda line: "sensorium: " in line)
        assert run.process.stdin is not None
        run.process.stdin.close()
        assert run.process.wait(LIMIT_S) == 0
        assert run.errors == ""


def test_without_any_sense_it_says_so_and_stays_until_ctrl_c(companion: Bundle) -> None:
    with started("--camera", "none", *DEAF) as run:
        told = run.wait(lambda line: "neither see nor hear" in line)
        assert "I stay up until a source returns; Ctrl-C ends." in told
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(1.0)  # it does stay
        assert run.interrupt() < 1.5  # a second, and what a busy machine adds
        assert run.process.returncode == 130
        assert run.errors == ""


def test_a_camera_that_is_not_there_is_absent_until_it_comes(companion: Bundle, weights: Weights) -> None:
    camera = camera_of(read_image(weights.path("photo-cat")))
    with camera:  # takes a free port, to come back to
        url = camera.url
    with started("--camera", url, *DEAF, "--json", "--look-for", "a cat, a red cup") as run:
        absent = run.event(event="health", modality="vision", state="absent")
        assert f"cannot connect to 127.0.0.1:{camera.port}" in absent["reason"]
        with camera:
            run.event(event="health", modality="vision", state="live")
            percept = run.event(event="percept")
            while percept["candidates"][0]["probability"] < 0.6:
                percept = run.event(event="percept")
            assert [candidate["text"] for candidate in percept["candidates"]] == ["a cat", "a red cup"]
            assert percept["candidates"][0]["contributions"].keys() == {"vision"}
            assert run.interrupt() < 1.5
        assert run.process.returncode == 130
        assert "left behind" not in run.errors


def test_a_hanging_camera_does_not_hold_up_ctrl_c(companion: Bundle, weights: Weights) -> None:
    with camera_of(read_image(weights.path("photo-cat"))) as camera:
        with started("--camera", camera.url, *DEAF, "--json") as run:
            run.event(event="health", modality="vision", state="live")
            camera.pause()
            run.event(event="health", modality="vision", state="stale")
            assert run.interrupt() < 2.0
            assert run.process.returncode == 130
        camera.resume()


def test_a_camera_that_fails_on_purpose_is_told_and_comes_back(companion: Bundle, weights: Weights) -> None:
    with camera_of(read_image(weights.path("photo-cat"))) as camera:
        faults = ["--fault", "camera:blocked@1s+2s", "--fault", "camera:dark@5s+2s"]
        with started("--camera", camera.url, *DEAF, "--json", *faults) as run:
            for state, reason in (("live", ""), ("stale", "no samples"), ("live", ""), ("degraded", "dark")):
                assert run.event(event="health", modality="vision", state=state)["reason"] == reason
            run.event(event="health", modality="vision", state="live")
            run.interrupt()
            assert "fails on purpose: camera:blocked@1s+2s, camera:dark@5s+2s" in run.errors
