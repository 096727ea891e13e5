"""A file descriptor whose blocked read can be ended from another thread."""

import os
import select
import threading


class WakeableReader:
    """Reads a descriptor that it does not own (standard input); ``wake`` ends a read under way, for good.

    Waits in ``select`` on the descriptor and on a pipe of its own. POSIX only: elsewhere ``select`` knows
    sockets alone.
    """

    def __init__(self, descriptor: int) -> None:
        os.fstat(descriptor)  # raises OSError at once when it is not open
        self._descriptor = descriptor
        self._woken, self._waker = os.pipe()
        self._reading = threading.Lock()
        self._waking = threading.Lock()
        self._done = False
        self._released = False

    def read(self, most: int) -> bytes | None:
        """Up to ``most`` bytes as soon as there are any; ``b""`` at the end; None once woken."""
        with self._reading:
            if self._done:
                return None
            ready, _, _ = select.select([self._descriptor, self._woken], [], [])
            if self._woken in ready:
                return None
            return os.read(self._descriptor, most)

    def wake(self) -> None:
        """End a read under way and every later one."""
        with self._waking:
            if not self._done:
                self._done = True
                os.write(self._waker, b"x")

    def close(self) -> None:
        """Wake, and release the pipe. Twice is fine."""
        self.wake()
        with self._reading, self._waking:
            if not self._released:
                self._released = True
                os.close(self._waker)
                os.close(self._woken)
