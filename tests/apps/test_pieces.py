import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorium_apps.pieces import LONGEST_S, pieces

RATE = 1_000


@given(seconds=st.floats(0, 90), seed=st.integers(0, 9))
def test_pieces_add_up_to_the_whole_and_none_is_too_long(seconds: float, seed: int) -> None:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)
    cut = list(pieces(samples, RATE))
    assert np.array_equal(np.concatenate([*cut, np.zeros(0, np.float32)]), samples)
    assert all(0 < len(piece) <= LONGEST_S * RATE for piece in cut)


def test_it_is_cut_in_the_pause() -> None:
    samples = np.ones(30 * RATE, np.float32)
    samples[15 * RATE : 15 * RATE + 300] = 0
    first, second = pieces(samples, RATE)
    assert 15.0 <= len(first) / RATE <= 15.3
    assert len(first) + len(second) == len(samples)
