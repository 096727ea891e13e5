"""When something is heard: the loudness of sound against a floor that adapts, without any model."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

# A vowel at 10 dB above the noise stands out by itself; babble and music swing by some 6 dB within a second.
OPEN_DB = 8.0
CLOSE_DB = 5.0
QUIETEST_DBFS = -55.0  # below this nothing counts: a quiet room through a microphone at its usual gain is at -60
# The floor is what a fifth of the last three seconds stay below: between the words of fluent speech, and above a hum.
FLOOR_SHARE = 0.2
FLOOR_CHUNKS = 94  # of 32 ms
# Silence is taken to have been before, so that a file may begin with its word. It is outvoted after half a second.
SEED_CHUNKS = 4


class Loudness:
    """Turns chunks of sound into 0 (quiet), 0.4 (as before) or 1 (something stands out), as a voice detector would."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: as good as new."""
        self._levels: deque[float] = deque([QUIETEST_DBFS - OPEN_DB] * SEED_CHUNKS, maxlen=FLOOR_CHUNKS)

    def probability(self, chunk: NDArray[np.float32]) -> float:
        """Take in the next 32 ms, float32 (512,), finite."""
        level = level_dbfs(chunk)
        self._levels.append(level)
        floor = float(np.quantile(np.array(self._levels), FLOOR_SHARE, method="lower"))
        if level < QUIETEST_DBFS or level < floor + CLOSE_DB:
            return 0.0
        return 1.0 if level >= floor + OPEN_DB else 0.4


def level_dbfs(samples: NDArray[np.float32]) -> float:
    """Root mean square of sound (n,), without its offset [dB of full scale]; -120 for digital silence."""
    power = float(np.var(samples.astype(np.float64))) if len(samples) else 0.0
    return 10.0 * float(np.log10(max(power, 1e-12)))
