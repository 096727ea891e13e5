"""A source that runs in a process of its own, so that a driver that hangs or crashes can be got rid of.

A native read that never returns cannot be ended in a thread; a process can be killed. What it captures comes back
through shared memory (see ``ring``), with the capture times of the same monotonic clock.

The process is kept while its source is only lost, for it takes as long to start as a device to come back. It is killed
where it does not answer, and a fresh one is started at once.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sensorium.errors import SourceError
from sensorium.samples import Sample
from sensorium.source import SourceInfo
from sensorium_devices import worker
from sensorium_devices.ring import RingReader, shared_memory
from sensorium_devices.wire import join_sample
from sensorium_devices.worker import CLOSE, LINE, OPEN

log = logging.getLogger(__name__)

Plain: TypeAlias = str | int | float | bool | Mapping[str, Any] | None  # what JSON can say

START_LIMIT_S = 30.0  # Python with OpenCV: 0.3 s on a desktop, and 9 s were seen on a machine that had no core to spare
OPEN_LIMIT_S = 10.0  # longer than any source of ours waits for its device by itself
SILENCE_S = 2.0  # as long; health has told the stall after three frames
LET_GO_S = 0.3  # for a driver to release its device before it is killed; RTSP says goodbye in that time
REAP_S = 0.4  # for the kernel to end what was killed
SLOTS = {"vision": 4}  # one is read, one is written, and two for a reader that is slow to copy
PERSON = {"vision": "camera", "audio": "microphone"}  # as the sources themselves call it
ORDERED_SLOTS = 64  # two seconds of 32 ms chunks: as long as the sound card's own queue


@dataclass(frozen=True, slots=True)
class Made:
    """How the process makes its source: only plain data travels."""

    maker: str  # ``package.module:function``, called with ``clock`` and the arguments
    arguments: Mapping[str, Plain]
    modality: str
    name: str
    silence_s: float = SILENCE_S  # from one sample to the next; longer, and the process is given up [s]
    open_limit_s: float = OPEN_LIMIT_S  # until the source has opened or said why not [s]
    finite: bool = False


class Apart:
    """Runs a source in another process. ``stand_by`` keeps the process, ``close`` ends it within a second."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._closed = True
        self._opening = 0

    @property
    def modality(self) -> str:
        """As the source's."""
        return self._made.modality

    @property
    def name(self) -> str:
        """As the source's."""
        return self._made.name

    @property
    def finite(self) -> bool:
        """As the source's."""
        return self._made.finite

    @property
    def dropped(self) -> int:
        """How many samples were captured and not read, since it was opened."""
        child = self._child
        return child.ring.dropped if child is not None else 0

    @property
    def process_id(self) -> int | None:
        """Of the process, while there is one."""
        child = self._child
        return child.process_id if child is not None else None

    def open(self) -> SourceInfo:
        """Have the process, which is started if need be, open its source; raises SourceError with the reason."""
        with self._lock:
            self._closed = False
        self.stand_by()
        with self._lock:
            child = self._child
        if child is None:
            raise self._error("closed while it was being opened")
        self._opening += 1
        told = child.open(self._opening, self._made.open_limit_s)
        if "info" in told:
            info = told["info"]
            return SourceInfo(info["description"], info["period_ns"], tuple(info["notes"]), info["measured"])
        if self._closed:
            raise self._error("closed while it was being opened")
        raise SourceError(told["reason"])

    def read(self) -> Sample | None:
        """As the source's; SourceError too when its process is silent or has died."""
        child = self._child
        told = child.read(self._made.silence_s) if child is not None else None
        if self._closed or told is None:
            return None
        if isinstance(told, str):
            raise SourceError(told)
        return told

    def stand_by(self) -> None:
        """Have the process release its device; one that does not answer is killed, and another one started."""
        with self._lock:
            if self._closed:
                return
            if self._child is not None and not self._child.release(self._opening):
                self._child.end()
                self._child = None
            if self._child is None:
                self._child = _Child(self._made)

    def close(self) -> None:
        """End the process, whatever it does; a ``read`` under way returns None. Twice is fine."""
        self._closed = True
        child = self._child
        if child is not None:
            child.hang_up()  # whoever waits for it lets go of it
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"{_what(self._made)}: {reason}")


class _Child:
    """The process, the line to it and the memory that is shared with it. One thread at a time waits for it."""

    def __init__(self, made: Made) -> None:
        self._made = made
        slots = SLOTS.get(made.modality, ORDERED_SLOTS)
        self.ring = RingReader(shared_memory(), slots)
        self._line, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        with theirs, os.fdopen(lifeline, "rb") as ends:
            try:
                self._process = _start(made, (theirs.fileno(), ends.fileno(), self.ring.memory), slots)
            except OSError as err:
                self._let_go()
                raise SourceError(f"{_what(made)}: no process can be started for it ({err.strerror})") from err
        self._waiting = threading.Lock()
        self._rest = b""
        self._ready = False
        self._under_way = False  # from an opening until it was released
        self._outcome: dict[str, Any] | None = None  # how the opening under way went on
        self._broken = ""  # why the process is of no more use

    @property
    def process_id(self) -> int:
        return self._process.pid

    def open(self, opening: int, limit_s: float) -> dict[str, Any]:
        """What the source told when it was opened: ``info``, or ``reason`` for why not."""
        with self._waiting:
            if not self._ready and self._expect(("ready",), START_LIMIT_S) is None:
                return {"reason": self._broken}
            self.ring.forget()
            self._under_way, self._outcome = True, None
            self._send(f"{OPEN} {opening}")
            return self._expect(("opened", "failed"), limit_s) or {"reason": self._broken}

    def read(self, limit_s: float) -> Sample | str | None:
        """The next sample; None when the source has ended by itself, a reason when it or its process was lost."""
        newest = self._made.modality in SLOTS
        deadline = time.monotonic() + limit_s
        with self._waiting:
            while (found := self.ring.take(newest)) is None:
                if self._outcome is not None:
                    return self._outcome.get("reason")
                if self._broken:
                    return self._broken
                self._receive(deadline, f"gives nothing for {limit_s:g} s; its process is ended")
        return join_sample(*found)

    def release(self, opening: int) -> bool:
        """Have the source closed; whether the process is of further use."""
        if self._under_way and not self._broken:
            with self._waiting:
                self._send(f"{CLOSE} {opening}")
                released = self._expect(("released",), LET_GO_S)
            self._under_way = False
            if released is None or not released["clean"]:
                self._broken = "its driver holds the device; its process is ended"
        return not self._broken

    def hang_up(self) -> None:
        """Wake who waits; the process takes it as its end."""
        self._send(f"{CLOSE} {sys.maxsize}")
        with contextlib.suppress(OSError):  # it was faster
            self._line.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """End the process: politely, unless it does not answer anyhow, and then by force."""
        self.hang_up()
        if self._broken or not self._gone(LET_GO_S):
            self._process.kill()
            if not self._gone(REAP_S):
                log.warning("%s: its process %d cannot be killed; left behind", _what(self._made), self.process_id)
        with self._waiting:
            self._let_go()

    def _gone(self, limit_s: float) -> bool:
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _let_go(self) -> None:
        self._line.close()
        os.close(self._lifeline)
        self.ring.close()

    def _send(self, order: str) -> None:
        with contextlib.suppress(OSError):  # it has died, which who waits for it learns
            self._line.sendall(order.encode() + LINE)

    def _expect(self, keys: tuple[str, ...], limit_s: float) -> dict[str, Any] | None:
        """The next message with one of these keys; None when the process is broken."""
        deadline = time.monotonic() + limit_s
        while not self._broken:
            told = self._receive(deadline, f"does not answer within {limit_s:g} s; its process is ended")
            if told is not None and any(key in told for key in keys):
                return told
        return None

    def _receive(self, deadline: float, late: str) -> dict[str, Any] | None:
        """The next message, or None for a sample that is there; notes what is wrong with the process."""
        line, found, rest = self._rest.partition(LINE)
        while not found:
            try:
                self._line.settimeout(max(0.001, deadline - time.monotonic()))
                more = self._line.recv(65536)
            except TimeoutError:
                self._broken = f"{_what(self._made)}: {late}"
                return None
            except OSError:
                more = b""
            if not more:
                self._broken = f"{_what(self._made)}: {self._why_gone()}"
                return None
            self._rest += more
            line, found, rest = self._rest.partition(LINE)
        self._rest = rest.lstrip(LINE) if not line else rest  # samples that are there are taken from the ring
        return self._note(json.loads(line)) if line else None

    def _note(self, told: dict[str, Any]) -> dict[str, Any]:
        if "ready" in told:
            self._ready = True
        elif "failed" in told or "ended" in told:
            self._outcome = told
        return told

    def _why_gone(self) -> str:
        if not self._gone(REAP_S):
            return "its process has hung up"
        code = self._process.returncode
        return f"its process was ended by {signal.Signals(-code).name}" if code < 0 else f"its process ended ({code})"


def _start(made: Made, shared: tuple[int, int, int], slots: int) -> subprocess.Popen[bytes]:
    """A fresh Python, not a fork: a fork of a process with threads may inherit a lock that nobody releases."""
    line, lifeline, memory = map(str, shared)
    arguments = [line, lifeline, memory, str(slots), made.maker, json.dumps(made.arguments)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", worker.__name__, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # ours may be read by a program
        pass_fds=shared,
        process_group=0,  # Ctrl-C is for us, and we end it
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
    )


def _what(made: Made) -> str:
    return f"{PERSON.get(made.modality, made.modality)} {made.name}"
