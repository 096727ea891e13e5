"""The one thread that owns a source: opens it, hands its samples over, opens it again when it was lost."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sensorium.clock import NS_PER_S, Clock
from sensorium.errors import SensoriumError
from sensorium.rate import RateHealth
from sensorium.samples import Sample
from sensorium.source import Source, SourceInfo, StandsBy
from sensorium.stream import Stream

log = logging.getLogger(__name__)

# Between two tries to open: a fiftieth of the outage so far. Who restarts a server waits hundredths of a second, who
# plugs a device in after an hour waits two seconds. And as long as the last try took, so that what is dear to try is
# tried less (a refused connection costs 0.1 ms, PortAudio 100 ms), but not for as long as one that only waited.
RETRY_SHARE = 0.02
FIRST_RETRY_S, LAST_RETRY_S = 0.04, 2.0
DEAREST_TRY_S = 0.25
JOIN_S = 0.6  # within what a session takes to close


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """A source was opened, lost, has ended by itself, or gives samples at a rate that it did not tell."""

    modality: str
    state: Literal["open", "lost", "ended", "faulty"]
    reason: str = ""  # of faulty: empty where it is well again
    info: SourceInfo | None = None


class Capture:
    """Runs a source in a thread of its own until ``close``; every change goes to ``report``."""

    def __init__(
        self, source: Source, stream: Stream[Sample], clock: Clock, report: Callable[[SourceChanged], None]
    ) -> None:
        self.source = source
        self.stream = stream
        self._clock = clock
        self._report = report
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
            tried_ns = self._clock.now_ns()
            got_samples, reason = self._run_once()
            if self._stop.is_set():
                return
            if not reason:
                self._report(SourceChanged(self.source.modality, "ended", f"{self.source.name} has ended"))
                return
            if lost_ns is None or got_samples:  # an outage is told once, with its first reason
                lost_ns = self._clock.now_ns()
                self._report(SourceChanged(self.source.modality, "lost", reason))
            now_ns = self._clock.now_ns()
            self._stop.wait(
                retry_after_s((now_ns - lost_ns) / NS_PER_S, 0.0 if got_samples else (now_ns - tried_ns) / NS_PER_S)
            )

    def _run_once(self) -> tuple[bool, str]:
        """Open, read to the end or a failure, close. Returns whether samples came, and why it ended ("": by itself)."""
        got_samples = False
        try:
            info = self.source.open()
            self._report(SourceChanged(self.source.modality, "open", info=info))
            # A file keeps its own pace, and a rate that was measured for a moment on a busy machine is no promise.
            promised = not (self.source.finite or info.measured)
            rate = RateHealth(self.source.modality, info.period_ns if promised else 0)
            while not self._stop.is_set() and (sample := self.source.read()) is not None:
                self.stream.put(sample, self._clock.now_ns())
                got_samples = True
                before, fault = rate.fault, rate.step(sample)
                if fault != before:
                    self._report(SourceChanged(self.source.modality, "faulty", fault or ""))
        except SensoriumError as err:
            return got_samples, str(err)
        except Exception as err:  # a driver's own exception must not kill the modality for good
            log.exception("%s failed", self.source.name)
            return got_samples, f"{self.source.name}: {type(err).__name__}: {err}"
        finally:
            self._release()
        return got_samples, "" if self.source.finite else f"{self.source.name} stopped"

    def _release(self) -> None:
        """Let go of the device; while it may come back, a source that can stand by does that."""
        if isinstance(self.source, StandsBy) and not self._stop.is_set():
            self.source.stand_by()
        else:
            self.source.close()


def retry_after_s(outage_s: float, try_s: float = 0.0) -> float:
    """How long to wait before the next try to open a source that was lost ``outage_s`` ago; the last took ``try_s``."""
    return min(max(RETRY_SHARE * outage_s, min(try_s, DEAREST_TRY_S), FIRST_RETRY_S), LAST_RETRY_S)
