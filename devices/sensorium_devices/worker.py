"""The process that a source runs in when it runs apart: opens, reads and closes it as it is told.

It is told by lines (``open 1``, ``close``) and tells by lines: an empty one for every sample that it has put into the
shared memory, a JSON object for anything else. It ends when its parent's end of the line is gone.
"""

import contextlib
import fcntl
import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sensorium.clock import MonotonicClock
from sensorium.errors import SensoriumError
from sensorium.source import Source
from sensorium_devices.ring import RingWriter
from sensorium_devices.wire import split_sample

OPEN, CLOSE, LINE = "open", "close", b"\n"


def main() -> None:
    """Run until the parent goes; the arguments are as ``apart`` gives them."""
    line, lifeline, memory, slots, maker, arguments = sys.argv[1:]
    end_with(int(lifeline))
    worker = Worker(socket.socket(fileno=int(line)), RingWriter(int(memory), int(slots)))
    worker.run(make(maker, json.loads(arguments)))


def make(maker: str, arguments: Mapping[str, Any]) -> Source:
    """What ``package.module:function`` gives for the machine's clock and these arguments."""
    module, _, function = maker.partition(":")
    source: Source = getattr(importlib.import_module(module), function)(clock=MonotonicClock(), **arguments)
    return source


def end_with(lifeline: int) -> None:
    """Have the kernel end this process when the other end of that pipe is gone.

    A driver may hang without letting any Python run, so that nobody here would notice the parent's death: SIGIO, which
    the pipe then sends, ends a process by itself (Linux; elsewhere the thread that listens notices).
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if not _alive(lifeline):  # it went before we listened
        os._exit(0)


class Worker:
    """Serves one source; the main thread opens and reads it, another one listens to the parent."""

    def __init__(self, line: socket.socket, ring: RingWriter) -> None:
        self._line = line
        self._ring = ring
        self._orders: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closed = 0  # the newest opening that was to be closed
        self._telling = threading.Lock()

    def run(self, source: Source) -> None:
        """Until the parent goes; does not return."""
        threading.Thread(target=self._listen, args=(source,), name="listen", daemon=True).start()
        self._tell({"ready": True})
        while True:
            self._serve(source, self._orders.get())

    def _serve(self, source: Source, opening: int) -> None:
        outcome: dict[str, Any]
        threads = threading.active_count()
        try:
            self._tell({"opened": opening, "info": asdict(source.open())})
            while self._closed < opening and (sample := source.read()) is not None:
                self._ring.put(*split_sample(sample))
                self._wake()
            outcome = {"ended": opening}
        except SensoriumError as err:
            outcome = {"failed": opening, "reason": str(err)}
        except Exception as err:  # a driver's own exception is to be read where the source is read
            outcome = {"failed": opening, "reason": f"{source.name}: {type(err).__name__}: {err}"}
        self._tell(outcome)  # at once: closing may take a while
        source.close()
        self._tell({"released": opening, "clean": threading.active_count() <= threads})

    def _listen(self, source: Source) -> None:
        with self._line.makefile("rb") as lines:
            for line in lines:
                order, _, opening = line.decode().strip().partition(" ")
                if order == OPEN:
                    self._orders.put(int(opening))
                else:
                    self._closed = int(opening)
                    source.close()
        os._exit(0)  # the main thread may be held up by a driver

    def _tell(self, message: Mapping[str, Any]) -> None:
        try:
            with self._telling:
                self._line.sendall(json.dumps(message).encode() + LINE)
        except OSError:  # the parent has hung up
            os._exit(0)

    def _wake(self) -> None:
        """Tell that a sample is there; a parent that has not read so many of these needs no more."""
        with self._telling, contextlib.suppress(OSError):  # full, or the parent has hung up
            self._line.send(LINE, socket.MSG_DONTWAIT)


def _alive(lifeline: int) -> bool:
    os.set_blocking(lifeline, False)
    try:
        return os.read(lifeline, 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    main()
