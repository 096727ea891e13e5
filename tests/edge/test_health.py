from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.health import (
    Health,
    Hysteresis,
    PictureHealth,
    SoundHealth,
    State,
    arrival,
    picture_fault,
    sound_fault,
    stale_after_ns,
)
from sensorium.senses import Sense

FRAME_NS = NS_PER_S // 30


def _photo(seed: int = 0) -> np.ndarray:
    """Blurred random blocks: edges, shades and sensor noise, as a room has them."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(30, 220, (12, 16, 3)), np.ones((40, 40, 1)))
    return np.clip(blocks + rng.normal(0, 2, blocks.shape), 0, 255).astype(np.uint8)


def _noisy(scene: np.ndarray, sigma: float, seed: int = 2) -> np.ndarray:
    """The scene through a sensor whose noise has that standard deviation."""
    return np.clip(scene + np.random.default_rng(seed).normal(0, sigma, scene.shape), 0, 255).astype(np.uint8)


def _noise(level: float, n: int = 16_000) -> np.ndarray:
    return (np.random.default_rng(0).normal(0, level, n)).astype(np.float32)


def test_a_stall_is_told_within_three_frame_intervals() -> None:
    stale_ns = stale_after_ns("vision", FRAME_NS)
    assert stale_ns <= 100 * NS_PER_MS
    assert arrival(2 * FRAME_NS, stale_ns) is State.LIVE
    assert arrival(3 * FRAME_NS, stale_ns) is State.STALE
    assert arrival(3 * NS_PER_S, stale_ns) is State.ABSENT


def test_a_slow_source_is_given_its_own_time() -> None:
    assert arrival(NS_PER_S, stale_after_ns("smell", NS_PER_S)) is State.LIVE
    assert arrival(4 * NS_PER_S, stale_after_ns("smell", NS_PER_S)) is State.STALE
    assert arrival(3600 * NS_PER_S, stale_after_ns("text", 0)) is State.LIVE, "typed text has no rate"
    assert arrival(200 * NS_PER_MS, stale_after_ns("audio", 32 * NS_PER_MS)) is State.LIVE, "sound comes in bursts"


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (_photo(), None),
        (_photo() // 32, "dark"),
        (_noisy(np.full((480, 640, 3), 40), 9.0), "covered"),
        (_noisy(_photo() // 4, 9.0), None),
        (np.full((480, 640, 3), 254, np.uint8), "over-exposed"),
        (np.full((480, 640, 3), 60, np.uint8), "covered"),
        (np.full((1, 1, 3), 60, np.uint8), "covered"),
    ],
)
def test_a_picture_that_shows_nothing_says_why(image: np.ndarray, fault: str | None) -> None:
    assert picture_fault(image) == fault


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (_noise(0.05), None),
        (_noise(0.001), None),
        (_noise(0.0001), None),
        (np.zeros(16_000, np.float32), "muted"),
        (np.full(16_000, 0.02, np.float32), "muted"),
        (np.clip(_noise(2.0), -1, 1), "clipped"),
        (_noise(0.01) + np.float32(0.3), "DC offset"),
        (np.full(512, np.nan, np.float32), "not finite"),
    ],
)
def test_sound_that_cannot_be_used_says_why(samples: np.ndarray, fault: str | None) -> None:
    assert sound_fault(samples) == fault


def test_a_still_scene_is_not_frozen_because_its_noise_changes() -> None:
    health = PictureHealth()
    scene = _photo().astype(np.float64)
    rng = np.random.default_rng(1)
    for n in range(120):
        noisy = np.clip(scene + rng.normal(0, 1, scene.shape), 0, 255).astype(np.uint8)
        assert health.step(noisy, n * FRAME_NS) is None


def test_a_camera_that_repeats_one_frame_is_frozen_and_a_photo_is_not() -> None:
    frozen, photo = PictureHealth(), PictureHealth()
    image = _photo()
    faults = [frozen.step(image, n * FRAME_NS) for n in range(60)]
    assert faults[0] is None
    assert faults[-1] == "frozen"
    assert {photo.step(image, n * FRAME_NS, still=True) for n in range(60)} == {None}


def test_a_picture_in_which_only_a_little_moves_is_not_frozen() -> None:
    health = PictureHealth()
    for n in range(60):
        image = _photo()
        image[7, 7] = n  # between the pixels that are looked at first
        assert health.step(image, n * FRAME_NS) is None


def test_a_picture_at_the_limit_of_darkness_is_one_fault_and_not_twenty() -> None:
    health = PictureHealth()
    told = []
    for n in range(300):
        level = 11.5 + 1.5 * (n // 10 % 2)  # a third of a second each
        told.append(health.step(_noisy(np.full((240, 320, 3), level), 2.0, n), n * FRAME_NS))
    assert told[-1] == "dark"
    assert sum(a != b for a, b in pairwise(told)) == 1


def test_a_camera_that_thaws_is_well_again() -> None:
    health = PictureHealth()
    for n in range(60):
        health.step(_photo(), n * FRAME_NS)
    faults = [health.step(_photo(seed=n), n * FRAME_NS) for n in range(60, 90)]
    assert faults[-1] is None


def test_a_moment_of_silence_between_words_is_no_muted_microphone() -> None:
    health = SoundHealth()
    chunk_ns = 32 * NS_PER_MS
    for n in range(100):
        samples = np.zeros(512, np.float32) if n % 4 else _noise(0.05, 512)
        assert health.step(samples, n * chunk_ns) is None


@given(st.lists(st.sampled_from([None, "dark", "covered"]), min_size=1))
def test_hysteresis_never_tells_a_fault_before_it_lasted(seen: list[str | None]) -> None:
    hysteresis = Hysteresis(enter_ns=3, leave_ns=3)
    for at_ns, fault in enumerate(seen):
        told = hysteresis.step(fault, at_ns)
        if told is not None:
            assert told in seen[: max(1, at_ns - 2)]


TIMES = st.integers(0, 10 * NS_PER_S)
FAULTS = st.none() | st.just("dark")


@given(told=st.sampled_from(State), last=TIMES, opened=TIMES, stale=TIMES, now=TIMES, fault=FAULTS, rate=FAULTS)
def test_a_sense_that_is_as_it_was_told_needs_no_judgement(
    told: State, last: int, opened: int, stale: int, now: int, fault: str | None, rate: str | None
) -> None:
    told_at_all = Health(told, "" if told is State.LIVE else "a reason")
    sense = Sense(told_at_all, True, stale, opened, last, fault, rate)
    judged = sense.judge(now)
    assert sense.is_as_told(now) == (told is judged.state is State.LIVE)
