"""Long sound cut where it is quiet, so that a recogniser with a bounded window loses no word."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LONGEST_S = 20.0  # of a piece: two thirds of the 30 s that speech recognisers are trained on
SEARCH_S = 8.0  # how far back from there a pause is looked for: sentences are shorter
FRAME_S = 0.1  # a pause between words is at least this long


def pieces(samples: NDArray[np.float32], rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Float32 (n,) in pieces of at most 20 s that add up to the whole, cut where it is quietest."""
    longest = round(LONGEST_S * rate_hz)
    while len(samples) > longest:
        cut = quietest(samples[:longest], longest - round(SEARCH_S * rate_hz), round(FRAME_S * rate_hz))
        yield samples[:cut]
        samples = samples[cut:]
    if len(samples):
        yield samples


def quietest(samples: NDArray[np.float32], begin: int, frame: int) -> int:
    """The middle of the quietest ``frame`` samples after ``begin``."""
    power = np.cumsum(np.concatenate([[0.0], samples[begin:].astype(np.float64) ** 2]))
    sums = power[frame:] - power[:-frame]  # (n - begin - frame + 1,)
    return begin + int(sums.argmin()) + frame // 2
