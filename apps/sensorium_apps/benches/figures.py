"""How benches put what they measured."""

from collections.abc import Sequence

import numpy as np


def percentile(values: Sequence[float], percent: float, digits: int = 2) -> float:
    """The percentile of what was measured."""
    return round(float(np.percentile(values, percent)), digits)


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Least, median, 95th percentile and most."""
    return {
        "least": round(min(values), digits),
        "p50": percentile(values, 50, digits),
        "p95": percentile(values, 95, digits),
        "most": round(max(values), digits),
    }
