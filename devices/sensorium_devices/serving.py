"""A small HTTP server on loopback that can be cut at once and brought back on the same port."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"  # loopback only: these are stand-ins for devices, not services
JOIN_LIMIT_S = 5.0  # a handler ends within one period of what it sends; this is for a machine that is stuck


class LoopbackServer:
    """Calls ``answer`` in a thread for every GET, until ``stopping`` is set or the peer goes away."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._port = 0  # the first start picks a free one, later ones come back on it
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens, or listened last; 0 before the first start."""
        return self._port

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def clients(self) -> int:
        """How many connections are under way."""
        server = self._server
        return len(server.under_way) if server is not None else 0

    def start(self) -> None:
        """Listen; raises OSError when the port was taken by another program meanwhile."""
        if self._server is not None:
            return
        self.stopping.clear()
        self._server = _Server(self._port, self.answer)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cut every connection and stop listening; the port stays ours to come back to. Twice is fine."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        self.stopping.set()
        if server is None or thread is None:
            return
        server.shutdown()
        thread.join(JOIN_LIMIT_S)
        server.server_close()
        server.cut()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Write the whole answer to one client, status line included."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # we join them ourselves, with a limit
    allow_reuse_address = True

    def __init__(self, port: int, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.under_way: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self)
                except OSError:
                    self.close_connection = True  # the client went away or was cut: that is how it ends

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep quiet."""

        super().__init__((HOST, port), Handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="loopback client",
            daemon=True,
        )
        with self._lock:
            self.under_way[request] = thread
        thread.start()

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with self._lock:
            self.under_way.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that was reset while it was being read: nothing to tell."""

    def cut(self) -> None:
        """Cut every connection under way and wait for its thread."""
        with self._lock:
            clients = list(self.under_way.items())
            for client, _ in clients:
                try:
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # already gone
        for _, thread in clients:
            thread.join(JOIN_LIMIT_S)
