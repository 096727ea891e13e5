"""A real microphone and loudspeaker where there are none: a private PulseAudio server with a null sink.

PortAudio opens it through ALSA's pulse plugin. What is played into the sink is what the microphone hears.
Needs, on Debian: ``apt-get install pulseaudio pulseaudio-utils libasound2-plugins``, ``pip install pyaudio``.

    with PulseServer() as pulse, pulse.environment():
        pulse.play(samples, 16_000)
"""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tests.devices.rtsp import stopped

SINK = "speech"
SINK_RATE_HZ = 48_000
START_LIMIT_S = 15.0  # a cold start takes 3 s, of which the null sink's first block is 2
SHORT_BLOCK_US = 100_000  # with its keep-alive stream the sink runs at 10 ms; without it at 2 s

PROGRAMS = ("pulseaudio", "pactl", "pacat")


def why_not() -> str | None:
    """Why no such microphone can be had on this machine; None when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install pulseaudio pulseaudio-utils)"
    if importlib.util.find_spec("pyaudio") is None:
        return "pyaudio not installed"
    return None


class PulseServer:
    """A PulseAudio server of its own, in a folder of its own, so that tests may run side by side."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._keep_alive: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # A short path: a Unix socket's name has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="pulse-", dir="/tmp"))
        (self._folder / "home").mkdir()
        (self._folder / "home" / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where its socket and log lie."""
        if self._folder is None:
            raise RuntimeError("the PulseAudio server is not running")
        return self._folder

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs in its environment to use this server and no other."""
        folder = str(self.folder)
        return {
            "XDG_RUNTIME_DIR": folder,
            "PULSE_RUNTIME_PATH": folder,
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_SOURCE": f"{SINK}.monitor",
            "PULSE_SINK": SINK,
            "HOME": f"{folder}/home",
        }

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Within: this process's ``default`` microphone and loudspeaker are this server's."""
        before = {name: os.environ.get(name) for name in self.variables}
        os.environ.update(self.variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def play(self, samples: NDArray[np.float32], rate_hz: int) -> None:
        """Speak float32 (n,) into the microphone; returns when it was heard."""
        process = self.start_playing(samples, rate_hz)
        if process.wait(timeout=len(samples) / rate_hz + 30) != 0:
            raise RuntimeError("pacat could not play")

    def start_playing(self, samples: NDArray[np.float32], rate_hz: int) -> subprocess.Popen[bytes]:
        """Speak into the microphone and do not wait for the end."""
        path = self.folder / f"{time.monotonic_ns()}.raw"
        path.write_bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return self._pacat(path, rate_hz, channels=1)

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Within: it holds its connections and does nothing, as a sound card whose driver hangs."""
        assert self._server is not None
        with stopped(self._server.pid):
            yield

    def kill(self) -> None:
        """Let the server die, as if the sound card had been unplugged."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def close(self) -> None:
        """End the server and what belongs to it. Twice is fine."""
        for process in (self._keep_alive, self._server):
            if process is not None:
                process.terminate()
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._keep_alive = self._server = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self) -> None:
        folder = self.folder
        modules = (
            f"module-native-protocol-unix socket={folder}/native auth-anonymous=1",
            f"module-null-sink sink_name={SINK} rate={SINK_RATE_HZ} channels=2",
            "module-always-sink",
        )
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["--disable-shm=yes", "--realtime=no", f"--log-target=file:{folder}/pulse.log"]
        for module in modules:
            command += ["-L", module]
        self._server = self._popen(command)
        self._wait("its socket", lambda: self._pactl("info") is not None)
        # The keep-alive pins the sink to 10 ms blocks: without it PortAudio starts on a 2 s block, and every
        # sample stays 1.2 to 1.8 s late for ever.
        self._keep_alive = self._pacat(Path("/dev/zero"), SINK_RATE_HZ, channels=2)
        self._wait("a short block", self._runs_short)

    def _runs_short(self) -> bool:
        listing = self._pactl("list", "sinks") or ""
        latency = re.search(r"Latency: (\d+) usec", listing)
        return "RUNNING" in listing and latency is not None and 0 < int(latency[1]) < SHORT_BLOCK_US

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            if time.monotonic() > deadline:
                log = (self.folder / "pulse.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"PulseAudio did not get {what} within {START_LIMIT_S:.0f} s: {log}")
            time.sleep(0.05)  # another program's state: there is nothing to wait on

    def _pactl(self, *words: str) -> str | None:
        answer = subprocess.run(
            ["pactl", *words], env=os.environ | self.variables, capture_output=True, text=True, check=False
        )
        return answer.stdout if answer.returncode == 0 else None

    def _pacat(self, path: Path, rate_hz: int, channels: int) -> subprocess.Popen[bytes]:
        return self._popen(
            [
                *("pacat", "--raw", "--format=s16le", f"--rate={rate_hz}", f"--channels={channels}"),
                *("--latency-msec=10", f"--device={SINK}", str(path)),
            ]
        )

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        with ExitStack() as stack:
            null = stack.enter_context(Path(os.devnull).open("r+b"))
            return subprocess.Popen(command, env=os.environ | self.variables, stdin=null, stdout=null, stderr=null)
