"""Samples from one process to another through shared memory: the newest is never torn, and nobody waits.

The first page holds what both sides need to agree on, as int64:

    [0] samples put so far    [1] bytes of a slot    [8 + 4n ...] of slot n: begun, ended, bytes of head, of numbers

Samples are numbered from 1, and number k lies in slot k modulo the slots. The writer notes ``begun`` before its bytes
and ``ended`` after them; a reader that finds another number in either, before or after its copy, has met the writer
and takes a later sample (a seqlock, https://docs.kernel.org/locking/seqlock.html).

The memory is a file without a name: it is gone with the last process that has it open, however that process ended.
"""

import mmap
import os
import tempfile
import threading

import numpy as np
from numpy.typing import NDArray

from sensorium_devices.wire import Bytes

PAGE = mmap.PAGESIZE
COUNT, SLOT_BYTES, FIRST_SLOT, FIELDS = 0, 1, 8, 4  # places in the first page, and how many each slot has
BEGUN, ENDED, HEAD, NUMBERS = range(FIELDS)
TRIES = 100  # who meets the writer so often reads more slowly than samples come, and gets none this time


def shared_memory() -> int:
    """A descriptor of new memory for a ring, empty; whoever holds it closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("sensorium")
    else:  # macOS: a file that was unlinked
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, PAGE)
    return descriptor


class _Ring:
    """What both sides share: the mapped memory, which grows and never shrinks."""

    def __init__(self, memory: int, slots: int) -> None:
        if not 2 <= slots <= (PAGE // 8 - FIRST_SLOT) // FIELDS:
            raise ValueError(f"a ring has 2 to {(PAGE // 8 - FIRST_SLOT) // FIELDS} slots; given {slots}")
        self.memory = memory
        self._slots = slots
        self._fence = threading.Lock()
        self._map()

    def _map(self) -> None:
        mapped = mmap.mmap(self.memory, os.fstat(self.memory).st_size)
        self._shared: NDArray[np.int64] = np.frombuffer(mapped, np.int64, PAGE // 8)
        self._payload: Bytes = np.frombuffer(mapped, np.uint8)[PAGE:]
        self._slot_bytes = int(self._shared[SLOT_BYTES])

    def _order(self) -> None:
        """Keep the processor from moving memory accesses across this line: a lock does, on every kind of processor."""
        with self._fence:
            pass

    def _field(self, slot: int, field: int) -> int:
        return FIRST_SLOT + slot * FIELDS + field


class RingWriter(_Ring):
    """The one side that puts."""

    def put(self, head: bytes, numbers: Bytes) -> None:
        """Hand over a sample, over the oldest one; the slots grow with the largest sample."""
        size = len(head) + len(numbers)
        if size > self._slot_bytes:
            self._grow(size)
        number = int(self._shared[COUNT]) + 1
        slot = number % self._slots
        self._shared[self._field(slot, BEGUN)] = number
        self._order()
        start = slot * self._slot_bytes
        self._payload[start : start + len(head)] = np.frombuffer(head, np.uint8)
        self._payload[start + len(head) : start + size] = numbers
        self._shared[self._field(slot, HEAD)] = len(head)
        self._shared[self._field(slot, NUMBERS)] = len(numbers)
        self._order()
        self._shared[self._field(slot, ENDED)] = number
        self._shared[COUNT] = number

    def _grow(self, size: int) -> None:
        self._shared[FIRST_SLOT : FIRST_SLOT + self._slots * FIELDS] = 0  # what lies there is no longer where it was
        self._order()
        slot_bytes = -(-size // PAGE) * PAGE
        os.ftruncate(self.memory, PAGE + self._slots * slot_bytes)
        self._shared[SLOT_BYTES] = slot_bytes
        self._map()


class RingReader(_Ring):
    """The one side that takes; it owns ``memory``."""

    def __init__(self, memory: int, slots: int) -> None:
        super().__init__(memory, slots)
        self._taken = 0
        self.dropped = 0  # samples that were overwritten, or passed over for the newest

    def close(self) -> None:
        """Let go of the memory; from then on there is nothing to take. Twice is fine."""
        if self.memory >= 0:
            os.close(self.memory)
            self.memory = -1
            self._shared, self._payload = np.zeros(PAGE // 8, np.int64), np.zeros(0, np.uint8)

    def forget(self) -> None:
        """Pass over what waits, without counting it: it came from before the device was opened."""
        self._taken = int(self._shared[COUNT])
        self.dropped = 0

    def take(self, newest: bool) -> tuple[bytes, Bytes] | None:
        """Head and numbers, a copy, of the ``newest`` sample or of the next one in order; None when there is none."""
        for _ in range(TRIES):
            count = int(self._shared[COUNT])
            if count <= self._taken:
                return None
            # The oldest slot may be under way of being overwritten.
            number = count if newest else max(self._taken + 1, count - self._slots + 2)
            found = self._copy(number)
            if found is not None:
                self.dropped += number - self._taken - 1
                self._taken = number
                return found
        return None

    def _copy(self, number: int) -> tuple[bytes, Bytes] | None:
        """That sample, or None when it is not there in one piece."""
        if int(self._shared[SLOT_BYTES]) != self._slot_bytes:
            self._map()
        slot = number % self._slots
        if self._shared[self._field(slot, ENDED)] != number:
            return None
        self._order()
        head, numbers = (int(self._shared[self._field(slot, field)]) for field in (HEAD, NUMBERS))
        if head + numbers > self._slot_bytes:
            return None
        start = slot * self._slot_bytes
        copied = self._payload[start : start + head + numbers].copy()
        self._order()
        whole = self._shared[self._field(slot, BEGUN)] == number and self._shared[SLOT_BYTES] == self._slot_bytes
        return (copied[:head].tobytes(), copied[head:]) if whole else None
