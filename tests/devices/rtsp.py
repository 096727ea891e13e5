"""A real RTSP camera where there is none: GStreamer's server, in a process that can hang and die.

Needs, on Debian: ``apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good
gstreamer1.0-plugins-ugly``.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sensorium_devices.pulse import stopped

SYSTEM_PYTHON = Path("/usr/bin/python3")
SERVER = Path(__file__).with_name("rtsp_server.py")


class RtspServer:
    """Started on entering; where it does not start, ``why_not`` says so."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None
        self._failed: str | None = f"no {SYSTEM_PYTHON}"

    def __enter__(self) -> Self:
        if SYSTEM_PYTHON.exists():
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where its pictures are, while it runs."""
        return f"rtsp://127.0.0.1:{self._port}/camera"

    def why_not(self) -> str | None:
        """Why it does not run; None when it does."""
        return self._failed

    def start(self) -> None:
        """Start it, or start it again."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, SERVER, str(self._port)],
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._failed = None
        if self._process.stdout.readline() != "ready\n":
            self._failed = " ".join(self._process.stderr.read().strip().splitlines()[-1:])

    def kill(self) -> None:
        """Let it die, as if the camera had been unplugged. Twice is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Within: it holds its connections and sends nothing."""
        assert self._process is not None
        with stopped(self._process.pid):
            yield
