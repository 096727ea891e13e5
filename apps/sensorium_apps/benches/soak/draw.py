"""Drawing faults at random."""

import math
from collections.abc import Sequence

import numpy as np

from sensorium.clock import NS_PER_S
from sensorium_devices.faults import Fault, kinds

SHORTEST_S, LONGEST_S = 0.3, 20.0  # a loose plug, a cable that is put back
QUIET_S = 3.0  # at the beginning: every sense is there before the first fault, at the end: and after the last
OVERLAP = 0.15  # share of faults that begin within the one before, of any source


def draw(modalities: Sequence[str], count: int, length_ns: int, seed: int) -> tuple[Fault, ...]:
    """So many faults within ``length_ns``, by when they begin: any kind that fits, lasting log-uniformly long.

    Where they are dense they are short, so that there are gaps: on average a third of the time nothing fails.
    """
    dice = np.random.default_rng(seed)
    first_s, last_s = QUIET_S, length_ns / NS_PER_S - QUIET_S
    longest_s = min(LONGEST_S, max(2 * SHORTEST_S, (last_s - first_s) / max(1, count)))
    faults: list[Fault] = []
    for start_s in sorted(dice.uniform(first_s, max(first_s, last_s - longest_s), count)):
        modality = str(dice.choice(list(modalities)))
        kind = sorted(kinds(modality))[dice.integers(len(kinds(modality)))]
        duration_s = math.exp(dice.uniform(math.log(SHORTEST_S), math.log(longest_s)))
        if faults and dice.random() < OVERLAP:
            before = faults[-1]
            start_s = (before.start_ns + dice.random() * (before.duration_ns or 0)) / NS_PER_S
        faults.append(Fault(modality, kind, int(start_s * 1000) * 1_000_000, int(duration_s * 1000) * 1_000_000))
    return tuple(sorted(faults, key=lambda fault: fault.start_ns))
