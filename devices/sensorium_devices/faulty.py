"""A source that fails on purpose: any other source with a schedule of faults around it.

What goes wrong depends on the clock, the samples and a seed alone, so that a failure can be had again.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sensorium.clock import NS_PER_MS, NS_PER_S, Clock
from sensorium.errors import SourceError
from sensorium.samples import Sample
from sensorium.source import Source, SourceInfo, Wrapper
from sensorium.waiting import Wait, wait_real
from sensorium_devices.faults import Fault, Kind, Schedule
from sensorium_devices.spoiling import Spoiler

SLOW_PERIODS = 3  # that a slow sample takes longer: just past what health takes for a stall
JITTER_PERIODS = 1.0  # at most: what a busy USB bus does, and no stall
BURST = 10  # samples at once: what a driver's ring buffer holds
USUAL_PERIOD_NS = 100 * NS_PER_MS  # of a source that tells none (typed text)
FOR_EVER_NS = 10**9 * NS_PER_S  # 30 years


class Faulty(Wrapper):
    """Fails as ``faults`` say, whose times count from the first ``open``; else it is the source that it wraps.

    One that is not finite is lost when it ends on purpose, and opened again.
    """

    def __init__(
        self, source: Source, faults: Sequence[Fault], clock: Clock, seed: int = 0, wait: Wait = wait_real
    ) -> None:
        """Faults of other modalities are left out."""
        super().__init__(source)
        self._clock, self._wait = clock, wait
        self._faults = tuple(fault for fault in faults if fault.modality == source.modality)
        self._dice = np.random.default_rng(seed)
        self._schedule = Schedule(self._faults)
        self._spoiler = Spoiler(self._faults, self._dice)
        self._closed, self._never = threading.Event(), threading.Event()
        self._began_ns: int | None = None
        self._period_ns = USUAL_PERIOD_NS
        self._held: deque[Sample] = deque()  # of a burst: to be given without waiting

    def open(self) -> SourceInfo:
        """Open the source; raises SourceError too while it has ended on purpose."""
        self._closed.clear()
        self._held.clear()
        if self._began_ns is None:
            self._began_ns = self._clock.now_ns()
        ended = self._fault(Kind.END)
        if ended is not None:
            raise SourceError(f"{self.name}: ended on purpose ({ended})")
        info = self._source.open()
        self._period_ns = info.period_ns or USUAL_PERIOD_NS
        return replace(info, notes=(*info.notes, f"fails on purpose: {', '.join(map(str, self._faults))}"))

    def read(self) -> Sample | None:
        """The next sample with what is wrong with it; None, SourceError and OSError on purpose too."""
        while not self._closed.is_set():
            if self._schedule.at(self._at_ns()):
                if self._fault(Kind.EXCEPTION) is not None:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                if self._fault(Kind.END) is not None:
                    return None
                if self._blocks():
                    continue
            if self._held:
                return self._held.popleft()
            sample = self._source.read()
            if sample is None:
                return None
            self._take(sample)
        return None

    def close(self) -> None:
        """Close the source; a ``read`` that is blocked returns, one that hangs does not."""
        self._closed.set()
        self._source.close()

    def _blocks(self) -> bool:
        """Whether a fault kept the reader waiting; it has then ended, or the source was closed."""
        for kind, released_by in ((Kind.HUNG, self._never), (Kind.BLOCKED, self._closed)):
            fault = self._fault(kind)
            if fault is not None:
                left_ns = FOR_EVER_NS if fault.end_ns is None else fault.end_ns - self._at_ns()
                self._wait(released_by, left_ns)
                return True
        return False

    def _take(self, sample: Sample) -> None:
        """Hold it, spoilt, until it is due; a burst is held until it is complete."""
        self._held.append(self._spoiler.step(sample, self._at_ns()))
        if not self._schedule.at(self._at_ns()):
            return
        late_ns = 0
        if self._fault(Kind.SLOW) is not None:
            late_ns += SLOW_PERIODS * self._period_ns
        if self._fault(Kind.JITTER) is not None:
            late_ns += int(self._dice.uniform(0, JITTER_PERIODS) * self._period_ns)
        if late_ns:
            self._wait(self._closed, late_ns)
        while self._fault(Kind.BURST) is not None and len(self._held) < BURST:
            more = self._source.read()
            if more is None:
                return
            self._held.append(self._spoiler.step(more, self._at_ns()))

    def _fault(self, kind: Kind) -> Fault | None:
        return next((fault for fault in self._schedule.at(self._at_ns()) if fault.kind is kind), None)

    def _at_ns(self) -> int:
        return self._clock.now_ns() - (self._began_ns or 0)
