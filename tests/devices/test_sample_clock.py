import numpy as np
import pytest

from sensorium_devices.sample_clock import SampleClock

RATE_HZ = 16_000
BLOCK = 160  # 10 ms
MS = 1_000_000


def play(clock: SampleClock, seconds: float, true_rate_hz: float, late_ns: np.ndarray, start_ns: int = 0) -> None:
    """Blocks of a device whose crystal gives ``true_rate_hz``, each late by its own amount."""
    for block in range(int(seconds * RATE_HZ / BLOCK)):
        end = (block + 1) * BLOCK
        clock.arrived(end, start_ns + round(end / true_rate_hz * 1e9) + int(late_ns[block % len(late_ns)]))


def test_samples_have_their_own_times_whatever_the_delays_of_their_blocks() -> None:
    clock = SampleClock(RATE_HZ)
    late_ns = np.random.default_rng(1).exponential(4 * MS, 500)
    late_ns[::20] = 0
    play(clock, 5, RATE_HZ, late_ns, start_ns=7_000)
    for second in range(5):
        assert clock.time_of(second * RATE_HZ) == pytest.approx(7_000 + second * 1e9, abs=MS)


@pytest.mark.parametrize("parts_per_million", [-200, -50, 0, 50, 200])
def test_a_crystal_that_is_off_is_followed_within_a_few_milliseconds(parts_per_million: int) -> None:
    clock = SampleClock(RATE_HZ)
    true_rate_hz = RATE_HZ * (1 + parts_per_million / 1e6)
    late_ns = np.random.default_rng(2).exponential(2 * MS, 997)
    play(clock, 120, true_rate_hz, late_ns)
    last = 120 * RATE_HZ
    assert clock.time_of(last) == pytest.approx(last / true_rate_hz * 1e9, abs=5 * MS)


def test_lost_samples_are_made_up_for_within_two_seconds() -> None:
    clock = SampleClock(RATE_HZ)
    nothing_late = np.zeros(1, np.int64)
    play(clock, 3, RATE_HZ, nothing_late)
    for block in range(250):  # from here on everything is half a second later
        end = 3 * RATE_HZ + (block + 1) * BLOCK
        clock.arrived(end, round(end / RATE_HZ * 1e9) + 500 * MS)
    assert clock.time_of(5 * RATE_HZ) == pytest.approx(5e9 + 500 * MS, abs=MS)


def test_the_latency_that_a_device_tells_is_taken_off() -> None:
    clock = SampleClock(RATE_HZ, latency_ns=20 * MS)
    clock.arrived(BLOCK, 100 * MS)
    assert clock.time_of(0) == 70 * MS


def test_time_never_runs_back() -> None:
    clock = SampleClock(RATE_HZ)
    clock.arrived(BLOCK, 2_000 * MS)  # the first block was two seconds late
    first = clock.time_of(0)
    clock.arrived(2 * BLOCK, 20 * MS)
    assert clock.time_of(BLOCK) > first


def test_before_the_first_block_there_is_no_time() -> None:
    with pytest.raises(ValueError, match="no block"):
        SampleClock(RATE_HZ).time_of(0)
