import numpy as np
import pytest

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.rate import RateHealth
from sensorium.samples import AudioChunk, Frame

IMAGE = np.zeros((2, 2, 3), np.uint8)
SOUND = np.zeros(512, np.float32)
FRAME_NS, CHUNK_NS = NS_PER_S // 30, 32 * NS_PER_MS


def _camera(health: RateHealth, period_ns: float, seconds: float, start_ns: int = 0, step: int = 1) -> set[str | None]:
    """What is told of a camera that gives a frame every ``period_ns``, of which each ``step``-th is read."""
    count = int(seconds * NS_PER_S / period_ns)
    rng = np.random.default_rng(0)
    return {
        health.step(Frame(start_ns + round(n * period_ns + rng.exponential(3e6)), n, IMAGE))
        for n in range(0, count, step)
    }


def _microphone(health: RateHealth, slower: float, seconds: float) -> list[str | None]:
    """What is told of a microphone that is slower than it says, its times fitted to some milliseconds."""
    rng = np.random.default_rng(0)
    count = int(seconds * NS_PER_S / CHUNK_NS)
    times = (round(n * CHUNK_NS * slower + rng.normal(0, 2e6)) for n in range(count))
    return [health.step(AudioChunk(at_ns, n, SOUND, 16_000)) for n, at_ns in enumerate(times)]


@pytest.mark.parametrize("fps", [25.0, 30.0, 33.0])
def test_a_camera_near_its_rate_is_well_however_many_frames_nobody_reads(fps: float) -> None:
    assert _camera(RateHealth("vision", FRAME_NS), NS_PER_S / fps, 60, step=4) == {None}


@pytest.mark.parametrize("fps", [5.0, 15.0, 60.0])
def test_a_camera_far_from_its_rate_is_told_within_ten_seconds_and_is_well_again_when_it_returns(fps: float) -> None:
    health = RateHealth("vision", FRAME_NS)
    _camera(health, NS_PER_S / fps, 10)
    assert health.fault == "wrong rate"
    _camera(health, FRAME_NS, 10, start_ns=10 * NS_PER_S)
    assert health.fault is None


def test_an_outage_is_no_wrong_rate() -> None:
    health = RateHealth("vision", FRAME_NS)
    for n in range(600):
        gap_ns = 20 * NS_PER_S if n > 200 else 0
        assert health.step(Frame(n * FRAME_NS + gap_ns, n, IMAGE)) is None


@pytest.mark.parametrize("parts_per_million", [-300, -100, 0, 100, 300])
def test_a_crystal_as_crystals_are_is_well(parts_per_million: int) -> None:
    assert set(_microphone(RateHealth("audio", CHUNK_NS), 1 + parts_per_million / 1e6, 600)) == {None}


def test_a_crystal_that_is_off_too_far_is_drifting_and_44_for_48_khz_is_a_wrong_rate() -> None:
    assert _microphone(RateHealth("audio", CHUNK_NS), 1 + 1e-3, 200)[-1] == "drifting"
    assert _microphone(RateHealth("audio", CHUNK_NS), 48 / 44.1, 60)[-1] == "wrong rate"


def test_lost_sound_is_no_drift() -> None:
    health = RateHealth("audio", CHUNK_NS)
    for n in range(20_000):
        lost_ns = n // 1000 * 100 * NS_PER_MS  # a tenth of a second in every half minute
        assert health.step(AudioChunk(n * CHUNK_NS + lost_ns, n, SOUND, 16_000)) is None


def test_what_has_no_rate_has_no_wrong_one() -> None:
    assert _camera(RateHealth("vision", 0), NS_PER_S, 60) == {None}
