"""Do samples come as often as the source said? Found by their own capture times, not by when they arrived.

A camera that gives 12 pictures a second instead of 30, or a microphone that was opened at 44.1 kHz and told as 48, is
at a ``wrong rate``. A microphone whose crystal is off by more than crystals are is ``drifting``: its times are still
right, for they are fitted to the session's clock, but its pitch is not.
"""

from dataclasses import dataclass

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.samples import AudioChunk, Sample


@dataclass(frozen=True, slots=True)
class Limits:
    """How far from the told rate, measured over which time, is a fault."""

    fault: str
    window_ns: int
    factor: float  # the larger of measured / told and told / measured that is still fine
    least: int  # samples in a window for it to count


WINDOWS = 2  # in a row before it is told, or no longer told: one window may hold an outage
# Cameras: 30 fps that become 15 in poor light are told, 25 for 30 are not.
PICTURES = (Limits("wrong rate", 2 * NS_PER_S, 1.6, 8),)
# Sound: 44.1 for 48 kHz is off by 8.8%, and no mix-up of common rates by less. Crystals are within 100 ppm, cheap ones
# within 300; what is lost is not drift, so that a gap begins a new window.
SOUND = (
    Limits("wrong rate", 10 * NS_PER_S, 1.05, 8),
    Limits("drifting", 60 * NS_PER_S, 1.0005, 100),
)
OTHERS = (Limits("wrong rate", 10 * NS_PER_S, 1.6, 8),)
GAP_NS = 50 * NS_PER_MS  # more than the fit of a sample clock moves by at once


class RateHealth:
    """Watches the samples of one opening, whose source told ``period_ns`` between two (0: it has no rate)."""

    def __init__(self, modality: str, period_ns: int) -> None:
        self.modality = modality
        limits = {"vision": PICTURES, "audio": SOUND}.get(modality, OTHERS)
        self._windows = [_Window(limit, period_ns) for limit in limits if period_ns]
        self.fault: str | None = None  # what stands

    def step(self, sample: Sample) -> str | None:
        """The fault that stands after this sample; those that were dropped before it count, by its ``seq``."""
        for window in self._windows:
            window.step(sample)
        self.fault = next((window.limits.fault for window in self._windows if window.off), None)
        return self.fault


class _Window:
    def __init__(self, limits: Limits, period_ns: int) -> None:
        self.limits = limits
        self.off = False
        self._period_ns = period_ns
        self._first: Sample | None = None
        self._last: Sample | None = None
        self._other = 0  # windows in a row that say the opposite of ``off``

    def step(self, sample: Sample) -> None:
        last, self._last = self._last, sample
        if self._first is None or last is None or self._begins(sample, last):
            self._first = sample
            return
        lasted_ns = sample.captured_ns - self._first.captured_ns
        count = sample.seq - self._first.seq
        if lasted_ns < self.limits.window_ns or (count < self.limits.least and lasted_ns < 4 * self.limits.window_ns):
            return
        self._first = sample
        ratio = lasted_ns / (max(count, 1) * self._period_ns)
        off = max(ratio, 1 / ratio) > self.limits.factor
        self._other = self._other + 1 if off != self.off else 0
        if self._other == WINDOWS:
            self.off, self._other = off, 0

    def _begins(self, sample: Sample, last: Sample) -> bool:
        """Whether something was lost before this sample that must not count as a slower clock."""
        if sample.seq <= last.seq:
            return True
        if self.limits.fault != "drifting" or not isinstance(sample, AudioChunk):
            return False
        expected_ns = (sample.seq - last.seq) * self._period_ns
        return abs(sample.captured_ns - last.captured_ns - expected_ns) > GAP_NS
