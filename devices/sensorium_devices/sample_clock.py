"""When was sample n captured? A device's sample counter, fitted to the session's clock."""

from sensorium.clock import NS_PER_MS, NS_PER_S

WINDOW_NS = NS_PER_S  # long enough to hold a block that came without delay
TOLERANCE_NS = 3 * NS_PER_MS  # scheduling noise of a busy machine; drift below it is no harm to pairing with video
JUMP_NS = 200 * NS_PER_MS  # more than any drift within a window: samples were lost
GAIN = 4  # the part of the error that is taken back per window: slow enough that one late window does no harm


class SampleClock:
    """Maps a sample's index to its capture time [ns]: ``origin + index / rate``, the origin slowly corrected.

    A block can only arrive late, never early. So the earliest arrival in a window tells where the origin is:
    an earlier one moves it at once, a later one slowly (a device whose crystal is slow), and a far later one
    at once (samples were lost). Times that it gave never run back.
    """

    def __init__(self, rate_hz: int, latency_ns: int = 0) -> None:
        """``latency_ns``: how long a sample is under way in the device, as the device tells [ns]."""
        self._rate_hz = rate_hz
        self._latency_ns = latency_ns
        self._origin_ns: int | None = None
        self._earliest_ns: int | None = None
        self._window_end_ns = 0
        self._last_ns: int | None = None

    def arrived(self, end: int, now_ns: int) -> None:
        """The block that ends before sample ``end`` arrived at ``now_ns``."""
        offset = now_ns - self._latency_ns - end * NS_PER_S // self._rate_hz
        if self._origin_ns is None or offset < self._origin_ns:
            self._origin_ns = offset
        if self._earliest_ns is None:
            self._window_end_ns = now_ns + WINDOW_NS
            self._earliest_ns = offset
        self._earliest_ns = min(self._earliest_ns, offset)
        if now_ns >= self._window_end_ns:
            self._origin_ns += _step(self._earliest_ns - self._origin_ns)
            self._earliest_ns = None

    def time_of(self, index: int) -> int:
        """When sample ``index`` was captured [ns]; later for a later sample, always."""
        if self._origin_ns is None:
            raise ValueError("no block has arrived yet")
        at_ns = self._origin_ns + index * NS_PER_S // self._rate_hz
        if self._last_ns is not None:
            at_ns = max(at_ns, self._last_ns + 1)
        self._last_ns = at_ns
        return at_ns


def _step(error_ns: int) -> int:
    """How far to move the origin when the earliest block of a window came so much later than it says [ns]."""
    if error_ns > JUMP_NS:
        return error_ns
    return error_ns // GAIN if error_ns > TOLERANCE_NS else 0
