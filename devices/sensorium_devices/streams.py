"""A microphone's blocks from what comes as bytes without an end: standard input, a network address."""

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from sensorium.clock import Clock
from sensorium.errors import SourceError
from sensorium_devices.descriptor import WakeableReader
from sensorium_devices.feeds import Block, FeedFormat
from sensorium_devices.pcm import RIFF, PcmFormat, read_wav_header
from sensorium_devices.sound import check_format
from sensorium_devices.uri import without_password

CONNECT_LIMIT_S = 3.0  # a microphone in the same house answers within milliseconds, or is not there
SILENCE_LIMIT_S = 1.0  # a network microphone that sends nothing for so long is lost
BLOCK_BYTES = 4096  # at most 128 ms of 16-bit mono at 16 kHz; less is taken as it comes


class _ByteFeed:
    """What standard input and the network share: bytes to whole frames."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._format = PcmFormat()
        self._rest = b""
        self.faults: dict[str, int] = {}

    def _receive(self, most: int) -> bytes:
        """Up to ``most`` bytes; ``b""`` at the end or once closed."""
        raise NotImplementedError

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := self._receive(size - len(data))):
            data += more
        return data

    def _next_block(self) -> Block | None:
        while True:
            data = self._receive(BLOCK_BYTES)
            if not data:
                return None
            self._rest += data
            whole = len(self._rest) // self._format.frame_bytes * self._format.frame_bytes
            if whole:
                samples = self._format.decode(self._rest[:whole])
                self._rest = self._rest[whole:]
                return Block(samples, self._clock.now_ns())


class StdinFeed(_ByteFeed):
    """A WAV file or raw 16-bit mono at 16 kHz on standard input; which, is told by its first four bytes."""

    def __init__(self, clock: Clock, stdin: int = 0) -> None:
        super().__init__("standard input", clock)
        self._stdin = stdin
        self._reader: WakeableReader | None = None
        self._interrupted = False

    def open(self) -> FeedFormat:
        """Wait for the first bytes."""
        try:
            self._reader = WakeableReader(self._stdin)
            if self._interrupted:
                self._reader.wake()
            self._start()
        except OSError as err:
            self.close()
            raise SourceError(f"microphone -: {err.strerror}") from err
        except SourceError:
            self.close()
            raise
        kind = "WAV" if not self._rest else "raw 16-bit mono"
        return FeedFormat(self._format.rate_hz, self._format.channels, f"{kind} on standard input")

    def read(self) -> Block | None:
        """As much as there is."""
        try:
            return self._next_block()
        except OSError as err:
            raise SourceError(f"microphone -: {err.strerror}") from err

    def interrupt(self) -> None:
        """Wake the reader, or the one that ``open`` is about to make."""
        self._interrupted = True
        if self._reader is not None:
            self._reader.wake()

    def close(self) -> None:
        """Leave standard input; it is not closed."""
        if self._reader is not None:
            self._reader.close()

    def _start(self) -> None:
        magic = self._read_exactly(len(RIFF))
        if not magic:
            raise SourceError("microphone -: nothing on standard input (0 bytes)")
        if magic == RIFF:
            self._format = read_wav_header("microphone -", self._read_exactly)
        else:
            self._rest = magic

    def _receive(self, most: int) -> bytes:
        return (self._reader.read(most) if self._reader is not None else None) or b""


class HttpFeed(_ByteFeed):
    """A network microphone: WAV, or raw PCM (``audio/pcm;rate=16000;channels=1``), without an end.

    Proxies and redirects are not followed: a microphone is in the same house.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(f"microphone {without_password(url)}", clock)
        self._url = urlsplit(url)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._closed = False

    def open(self) -> FeedFormat:
        """Connect and read the header."""
        try:
            self._connect()
            self._format = self._negotiate()
        except SourceError:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as err:
            self.close()
            raise SourceError(f"{self._name}: {_why(err)}") from err
        return FeedFormat(self._format.rate_hz, self._format.channels, f"sound from {self._url.hostname}")

    def read(self) -> Block | None:
        """As much as there is."""
        with self._lock:
            try:
                block = self._next_block() if self._response is not None else None
            except TimeoutError as err:
                raise SourceError(f"{self._name}: no samples within {SILENCE_LIMIT_S:g} s") from err
            except (OSError, http.client.HTTPException) as err:
                if self._closed:
                    return None
                raise SourceError(f"{self._name}: {_why(err)}") from err
        if block is None and not self._closed:
            raise SourceError(f"{self._name}: it was disconnected")
        return block

    def interrupt(self) -> None:
        """Cut the connection."""
        self._closed = True
        cut = self._socket
        if cut is not None:
            with contextlib.suppress(OSError):  # the other side was faster
                cut.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        self.interrupt()
        with self._lock:
            if self._response is not None:
                self._response.close()
            if self._connection is not None:
                self._connection.close()
            self._response = self._connection = self._socket = None

    def _connect(self) -> None:
        secure = self._url.scheme == "https"
        kind: Callable[..., http.client.HTTPConnection] = (
            http.client.HTTPSConnection if secure else http.client.HTTPConnection
        )
        if not self._url.hostname:
            raise SourceError(f"{self._name}: an address without a host")
        self._connection = kind(self._url.hostname, self._url.port, timeout=CONNECT_LIMIT_S)
        self._connection.connect()
        self._socket = self._connection.sock
        if self._closed:
            raise SourceError(f"{self._name}: closed while it was being opened")
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._connection.request("GET", path)
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            raise SourceError(f"{self._name}: the server says {self._response.status} {self._response.reason}")
        if self._socket is not None:
            self._socket.settimeout(SILENCE_LIMIT_S)

    def _negotiate(self) -> PcmFormat:
        headers = self._response.headers if self._response is not None else http.client.HTTPMessage()
        kind = headers.get_content_type()
        if kind == "audio/pcm":
            told = [str(headers.get_param(key, default)) for key, default in (("rate", "16000"), ("channels", "1"))]
            if not all(number.isdecimal() for number in told):
                raise SourceError(f"{self._name}: a rate or channel count that is no number: {', '.join(told)}")
            check_format(self._name, *map(int, told))
            return PcmFormat(int(told[0]), int(told[1]))
        if self._read_exactly(len(RIFF)) != RIFF:
            raise SourceError(f"{self._name}: sends {kind}; known: WAV, or audio/pcm of 16 bits")
        return read_wav_header(self._name, self._read_exactly)

    def _receive(self, most: int) -> bytes:
        return self._response.read1(most) if self._response is not None else b""


def _why(err: Exception) -> str:
    return (getattr(err, "strerror", None) or str(err) or type(err).__name__).splitlines()[0]
