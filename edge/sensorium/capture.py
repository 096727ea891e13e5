"""The one thread that owns a source: opens it, hands its samples over, opens it again when it was lost."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from sensorium.clock import NS_PER_MS, NS_PER_S, Clock
from sensorium.errors import SensoriumError
from sensorium.samples import AudioChunk, Sample
from sensorium.source import Source, SourceInfo
from sensorium.stream import Stream

log = logging.getLogger(__name__)

# Between two tries to open: a twentieth of the outage so far. Who restarts a server waits tenths of a second, who
# plugs a device in after an hour waits two.
RETRY_SHARE = 0.05
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 2.0
JOIN_S = 0.6  # within what a session takes to close
AHEAD_NS = 20 * NS_PER_MS  # that a sample may be ahead of the clock: a wait that ended early, a fitted sample clock
CATCH_UP_NS = NS_PER_S  # a source that was off and is right again may lag so far behind arrival: networks do


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """A source was opened, lost, or has ended by itself."""

    modality: str
    state: Literal["open", "lost", "ended"]
    reason: str = ""
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
    """Runs a source in a thread of its own until ``close``; every change goes to ``report``."""

    def __init__(
        self, source: Source, stream: Stream[Sample], clock: Clock, report: Callable[[SourceChanged], None]
    ) -> None:
        self.source = source
        self.stream = stream
        self._clock = clock
        self._report = report
        self._times = Timekeeper(source.name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{source.modality}", daemon=True)

    def start(self) -> None:
        """Begin; a source that will not open is reported and tried again, not raised."""
        self._thread.start()

    def close(self) -> None:
        """Stop and release the source; says so in the log if a read under way does not end."""
        self._stop.set()
        self.source.close()
        self.stream.close()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
            if self._thread.is_alive():
                log.warning("%s: its driver does not return from a read; left behind", self.source.name)

    def _run(self) -> None:
        lost_ns: int | None = None  # when the outage under way began
        while not self._stop.is_set():
            opened, got_samples, reason = self._run_once()
            if self._stop.is_set():
                return
            if not reason:
                self._report(SourceChanged(self.source.modality, "ended", f"{self.source.name} has ended"))
                return
            if lost_ns is None or opened:  # an outage is told once, with its first reason, and after every opening
                self._report(SourceChanged(self.source.modality, "lost", reason))
            if lost_ns is None or got_samples:
                lost_ns = self._clock.now_ns()
            self._stop.wait(retry_after_s((self._clock.now_ns() - lost_ns) / NS_PER_S))

    def _run_once(self) -> tuple[bool, bool, str]:
        """Open, read to the end or a failure, close.

        Returns whether it opened, whether samples came, and why it ended ("": by itself).
        """
        opened = got_samples = False
        try:
            info = self.source.open()
            opened = True
            if self._stop.is_set():  # closed while it was being opened, which it may not have noticed
                return opened, got_samples, ""
            self._report(SourceChanged(self.source.modality, "open", info=info))
            while (sample := self.source.read()) is not None:
                now_ns = self._clock.now_ns()
                self.stream.put(self._times.step(sample, now_ns), now_ns)
                got_samples = True
        except SensoriumError as err:
            return opened, got_samples, str(err)
        except Exception as err:  # a driver's own exception must not kill the modality for good
            log.exception("%s failed", self.source.name)
            return opened, got_samples, f"{self.source.name}: {type(err).__name__}: {err}"
        finally:
            self.source.close()
        return opened, got_samples, "" if self.source.finite else f"{self.source.name} stopped"


def retry_after_s(outage_s: float) -> float:
    """How long to wait before the next try to open a source that was lost ``outage_s`` ago."""
    return min(max(RETRY_SHARE * outage_s, FIRST_RETRY_S), LAST_RETRY_S)
