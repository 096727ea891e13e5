"""What looks after a source: opens it, hands its samples over, opens it again when it was lost."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sensorium.clock import NS_PER_MS, NS_PER_S, Clock
from sensorium.encoding import Encoding
from sensorium.errors import SensoriumError
from sensorium.guard import Lane, LaneLost
from sensorium.rate import RateHealth
from sensorium.samples import AudioChunk, Sample
from sensorium.source import Source, SourceInfo, StandsBy
from sensorium.stream import Stream
from sensorium.waiting import Wait, wait_real

log = logging.getLogger(__name__)

# Between two tries to open: a fiftieth of the outage so far. Who restarts a server waits hundredths of a second, who
# plugs a device in after an hour waits two seconds. And as long as the last try took, so that what is dear to try is
# tried less (a refused connection costs 0.1 ms, PortAudio 100 ms), but not for as long as one that only waited.
RETRY_SHARE = 0.02
FIRST_RETRY_S, LAST_RETRY_S = 0.04, 2.0
DEAREST_TRY_S = 0.25
JOIN_S = 0.6  # within what a session takes to close
AHEAD_NS = 20 * NS_PER_MS  # that a sample may be ahead of the clock: a wait that ended early, a fitted sample clock
CATCH_UP_NS = NS_PER_S  # a source that was off and is right again may lag so far behind arrival: networks do


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """A source was opened, lost, has ended by itself, or gives samples at a rate that it did not tell."""

    modality: str
    state: Literal["open", "lost", "ended", "faulty"]
    reason: str = ""  # of faulty: empty where it is well again
    info: SourceInfo | None = None


class Timekeeper:
    """Holds a source's capture times to what can be: each later than the one before, none in the future.

    The time of a device whose clock was set or stands still becomes the time of arrival. All that rests on time
    (health, evidence, rates) would else wait until such a clock comes round again.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._told_ns: int | None = None  # the last sample's time as its source told it
        self._last_ns = 0  # and as it was handed on
        self._off = False

    def step(self, sample: Sample, now_ns: int) -> Sample:
        """The sample, arrived at ``now_ns``, with a time that can be; the log says when a clock begins to be off."""
        told_ns = at_ns = sample.captured_ns
        off = told_ns > now_ns + AHEAD_NS or (
            self._told_ns is not None and (told_ns <= self._told_ns or told_ns < self._last_ns - CATCH_UP_NS)
        )
        if off:
            at_ns = now_ns - (sample.duration_ns if isinstance(sample, AudioChunk) else 0)
            if not self._off:
                log.warning("%s: its clock is off; its samples have the time of their arrival", self._name)
        if self._told_ns is not None:
            at_ns = max(at_ns, self._last_ns + 1)
        self._told_ns, self._last_ns, self._off = told_ns, at_ns, off
        return sample if at_ns == told_ns else replace(sample, captured_ns=at_ns)


class Capture:
    """Runs a source until ``close``; every change goes to ``report``, every sample into ``stream``.

    With an ``encoding`` there are two threads by turns: who has read a sample goes on with it, unless the other one is
    encoding already, and the other one reads. So no sample waits for a thread to wake, and no read for an encoder
    (Leader/Followers: D. C. Schmidt et al., Pattern-Oriented Software Architecture 2).
    """

    def __init__(
        self,
        source: Source,
        stream: Stream[Sample],
        clock: Clock,
        report: Callable[[SourceChanged], None],
        encoding: Encoding | None = None,
    ) -> None:
        self.source = source
        self.stream = stream
        self._clock = clock
        self._report = report
        self._encoding = encoding
        self._stop = threading.Event()
        self._happenings = attend(source, clock, self._stop)
        self._lock = threading.Lock()
        self._free = threading.Condition(self._lock)
        self._reading = False  # whether a thread goes on with them
        self.threads: list[threading.Thread] = []  # that have begun
        if encoding is not None:
            encoding.begin = self._begin

    def start(self) -> None:
        """Begin; a source that will not open is reported and tried again, not raised."""
        for _ in range(1 if self._encoding is None else 2):
            self._begin()

    def close(self) -> None:
        """Stop and release the source; says so in the log if a read or an encoding under way does not end."""
        self._stop.set()
        self.source.close()
        self.stream.close()
        with self._lock:
            self._free.notify_all()
        deadline = time.monotonic() + JOIN_S
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self.threads):
            what = "driver does not return from a read" if self._reading else "encoder does not return"
            log.warning("%s: its %s; left behind", self.source.name, what)

    def _begin(self) -> None:
        self.threads.append(threading.Thread(target=self._run, name=f"sense-{self.source.modality}", daemon=True))
        self.threads[-1].start()

    def _run(self) -> None:
        with contextlib.suppress(LaneLost):
            while (lane := self._read()) is not None and self._encoding is not None:
                self._encoding.serve(lane)

    def _read(self) -> Lane | None:
        """Read on until there is a sample and the turn to go on with it; None when all was read."""
        with self._lock:
            while self._reading:
                if self._stop.is_set():  # a read that does not end keeps nobody else
                    return None
                self._free.wait()
            self._reading = True
        quick = False
        try:
            for happened in self._happenings:
                if isinstance(happened, SourceChanged):
                    self._report(happened)
                    continue
                self.stream.put(happened, self._clock.now_ns())
                if self._encoding is not None and (lane := self._encoding.claim()) is not None:
                    quick = self._encoding.quick
                    return lane
            return None
        finally:
            with self._lock:
                self._reading = False
                if not quick:  # else this thread is back before another one would be awake
                    self._free.notify()


def attend(
    source: Source, clock: Clock, stop: threading.Event, wait: Wait = wait_real
) -> Iterator["SourceChanged | Sample"]:
    """What happens to a source, one after the other: it is opened, gives samples, is lost, is opened again ...

    Ends once a finite source has, or ``stop`` was set and the source closed. ``wait``: between two tries to open.
    """
    times = Timekeeper(source.name)
    lost_ns: int | None = None  # when the outage under way began
    while not stop.is_set():
        opened = got_samples = False
        tried_ns = clock.now_ns()
        reason = "" if source.finite else f"{source.name} stopped"  # where a read ends it
        try:
            info = source.open()
            if stop.is_set():  # closed while it was being opened, which it may not have noticed
                return
            opened = True
            yield SourceChanged(source.modality, "open", info=info)
            # A file keeps its own pace, and a rate that was measured for a moment on a busy machine is no promise.
            promised = not (source.finite or info.measured)
            rate = RateHealth(source.modality, info.period_ns if promised else 0)
            while not stop.is_set() and (sample := source.read()) is not None:
                got_samples = True
                timed = times.step(sample, clock.now_ns())
                yield timed
                if (change := rate_change(rate, timed)) is not None:
                    yield change
        except SensoriumError as err:
            reason = str(err)
        except Exception as err:  # a driver's own exception must not kill the modality for good
            log.exception("%s failed", source.name)
            reason = f"{source.name}: {type(err).__name__}: {err}"
        finally:
            _release(source, stop)
        if stop.is_set():
            return
        if not reason:
            yield SourceChanged(source.modality, "ended", f"{source.name} has ended")
            return
        if lost_ns is None or opened:  # an outage is told once, with its first reason, and after every opening
            yield SourceChanged(source.modality, "lost", reason)
        if lost_ns is None or got_samples:
            lost_ns = clock.now_ns()
        now_ns = clock.now_ns()
        try_s = 0.0 if got_samples else (now_ns - tried_ns) / NS_PER_S
        wait(stop, int(retry_after_s((now_ns - lost_ns) / NS_PER_S, try_s) * NS_PER_S))


def rate_change(rate: RateHealth, sample: Sample) -> SourceChanged | None:
    """What a sample changes in the judgement on its source's rate, if anything."""
    before, fault = rate.fault, rate.step(sample)
    return None if fault == before else SourceChanged(rate.modality, "faulty", fault or "")


def _release(source: Source, stop: threading.Event) -> None:
    """Let go of the device; while it may come back, a source that can stand by does that."""
    if isinstance(source, StandsBy) and not stop.is_set():
        source.stand_by()
    else:
        source.close()


def retry_after_s(outage_s: float, try_s: float = 0.0) -> float:
    """How long to wait before the next try to open a source that was lost ``outage_s`` ago; the last took ``try_s``."""
    return min(max(RETRY_SHARE * outage_s, min(try_s, DEAREST_TRY_S), FIRST_RETRY_S), LAST_RETRY_S)
