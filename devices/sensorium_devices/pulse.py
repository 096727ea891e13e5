"""A real microphone and loudspeaker where there are none: a private PulseAudio server with a null sink.

PortAudio opens it through ALSA's pulse plugin. What is played into the sink is what the microphone hears. For tests and
benches; needs, on Debian: ``apt-get install pulseaudio pulseaudio-utils libasound2-plugins``, ``pip install pyaudio``.

    with PulseServer() as pulse, pulse.environment(), Recorder(pulse) as recorder:
        pulse.play(samples, 16_000)
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_S, Clock, MonotonicClock

SINK = "speech"
SINK_RATE_HZ = 48_000
START_LIMIT_S = 15.0  # a cold start takes 3 s, of which the null sink's first block is 2
SHORT_BLOCK_US = 100_000  # with its keep-alive stream the sink runs at 10 ms; without it at 2 s

RECORD_LIMIT_S = 60.0  # for the first sample of a recording, on a machine with others beside it
NEAR_S = 5.0  # of a recording, within which a block that came without delay tells the time
PROGRAMS = ("pulseaudio", "pactl", "pacat", "parec")


def why_not() -> str | None:
    """Why no such microphone can be had on this machine; None when it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install pulseaudio pulseaudio-utils)"
    if importlib.util.find_spec("pyaudio") is None:
        return "pyaudio not installed"
    return None


class PulseServer:
    """A PulseAudio server of its own, in a folder of its own, so that several may run side by side."""

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
    def environment(self, sink: str = SINK) -> Iterator[None]:
        """Within: this process's ``default`` microphone is this server's, and its loudspeaker plays into ``sink``."""
        variables = self.variables | {"PULSE_SINK": sink}
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
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

    def add_side(self, sink: str, side: str) -> None:
        """Another sink, of one channel, that plays into one side (``left``, ``right``) of what the microphone hears."""
        words = (f"sink_name={sink}", f"master={SINK}", "channels=1", "channel_map=mono", "remix=no")
        if self._pactl("load-module", "module-remap-sink", *words, f"master_channel_map=front-{side}") is None:
            raise RuntimeError(f"PulseAudio makes no sink {sink}")

    def start_playing(self, samples: NDArray[np.float32], rate_hz: int, sink: str = SINK) -> subprocess.Popen[bytes]:
        """Speak into the microphone and do not wait for the end."""
        path = self.folder / f"{time.monotonic_ns()}.raw"
        path.write_bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return self._pacat(path, rate_hz, channels=1, sink=sink)

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

    def _pacat(self, path: Path, rate_hz: int, channels: int, sink: str = SINK) -> subprocess.Popen[bytes]:
        return self._popen(
            [
                *("pacat", "--raw", "--format=s16le", f"--rate={rate_hz}", f"--channels={channels}"),
                *("--latency-msec=10", f"--device={sink}", str(path)),
            ]
        )

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        with ExitStack() as stack:
            null = stack.enter_context(Path(os.devnull).open("r+b"))
            return subprocess.Popen(command, env=os.environ | self.variables, stdin=null, stdout=null, stderr=null)


class Recorder:
    """What the microphone hears, by ``parec``; asking for 10 ms keeps the sink's own blocks short."""

    def __init__(
        self, pulse: PulseServer, rate_hz: int = 16_000, channels: int = 1, clock: Clock | None = None
    ) -> None:
        self._clock, self._channels = clock or MonotonicClock(), channels
        self._rate_hz = rate_hz
        self._arrivals: list[tuple[int, int]] = []  # samples until then, and when [ns]
        command = ["parec", "--raw", "--format=s16le", f"--rate={rate_hz}", f"--channels={channels}"]
        command += ["--latency-msec=10", f"--device={SINK}.monitor"]
        self._process = subprocess.Popen(
            command, env=os.environ | pulse.variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._heard = bytearray()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="parec")
        self._thread.start()

    def __enter__(self) -> Self:
        if not self.wait(lambda: bool(self._heard), RECORD_LIMIT_S):
            self.close()
            raise RuntimeError(f"parec records nothing within {RECORD_LIMIT_S:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def heard(self) -> NDArray[np.float32]:
        """All until now: float32 (n,), or (n, channels) where there are several."""
        with self._changed:
            data = bytes(self._heard)
        frame = 2 * self._channels
        samples = np.frombuffer(data[: len(data) // frame * frame], "<i2").astype(np.float32) / np.float32(32768)
        return samples if self._channels == 1 else samples.reshape(-1, self._channels)

    def time_of(self, place: int) -> int:
        """When the sample at that place was played [ns], late by what ``parec`` is late at its quickest."""
        with self._changed:
            near = [told for told in self._arrivals if abs(told[0] - place) <= NEAR_S * self._rate_hz]
        origin_ns = min(at_ns - end * NS_PER_S // self._rate_hz for end, at_ns in near or self._arrivals)
        return origin_ns + place * NS_PER_S // self._rate_hz

    def wait(self, ready: Callable[[], bool], limit_s: float) -> bool:
        """Wait until that holds, judged whenever more was heard; False when it did not within the limit."""
        with self._changed:
            return self._changed.wait_for(ready, limit_s)

    def close(self) -> None:
        """End it. Twice is fine."""
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := self._process.stdout.read1(4096):  # type: ignore[attr-defined]
            with self._changed:
                self._heard += data
                self._arrivals.append((len(self._heard) // (2 * self._channels), self._clock.now_ns()))
                self._changed.notify_all()


@contextmanager
def stopped(process_id: int) -> Iterator[None]:
    """Within: that process does not run."""
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)
