"""How far apart camera and microphone place one event, where the microphone's clock drifts and its callbacks tremble.

In virtual time. A clap is seen in a frame and heard in a sample; the camera stamps with the session's clock, the
microphone counts samples of a crystal that is off, and its blocks come late, each by its own amount.
"""

from typing import Any

import numpy as np

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium_apps.benches.figures import percentile, spread
from sensorium_apps.benches.machine import machine
from sensorium_devices.sample_clock import SampleClock
from sensorium_devices.sound import RATE_HZ

BLOCK = RATE_HZ // 100  # 10 ms, as the sound card gives it
CLAP_S = 0.5  # between two claps
LATE_MS = 3.0  # mean lateness of a callback; exponential, so that one in twenty is later than 9 ms
HICCUPS, HICCUP_MS = 0.01, 60.0  # how often a callback waits for a busy machine, and up to how long
CAMERA_LATE_MS = 2.0  # mean lateness of a frame's stamp


def pairing(drift_ppm: float = 100.0, minutes: float = 10.0, seed: int = 0) -> dict[str, Any]:
    """Figures, floor (the same without the fit), spread and machine."""
    fitted, uncorrected = skews_ms(drift_ppm, minutes, seed)
    return {
        "figures": {"skew_p95_ms": percentile(fitted, 95)},
        "spread": {"skew_ms": spread(fitted)},
        "floor": {"uncorrected_skew_p95_ms": percentile(uncorrected, 95)},
        "drift_ppm": drift_ppm,
        "minutes": minutes,
        "claps": len(fitted),
        "machine": machine(),
    }


def skews_ms(drift_ppm: float, minutes: float, seed: int = 0) -> tuple[list[float], list[float]]:
    """Of every clap, how far its two times are apart [ms]: with the fit, and by the sample count alone."""
    rng = np.random.default_rng(seed)
    true_rate_hz = RATE_HZ * (1 + drift_ppm / 1e6)
    clock = SampleClock(RATE_HZ)
    start_ns = 0
    clap_s = CLAP_S
    fitted, uncorrected = [], []
    for block in range(int(minutes * 60 * true_rate_hz / BLOCK)):
        end = (block + 1) * BLOCK
        hiccup_ms = rng.uniform(0, HICCUP_MS) if rng.random() < HICCUPS else 0.0
        late_ns = round((rng.exponential(LATE_MS) + hiccup_ms) * NS_PER_MS)
        arrived_ns = round(end / true_rate_hz * NS_PER_S) + late_ns
        if block == 0:
            start_ns = arrived_ns - BLOCK * NS_PER_S // RATE_HZ
        clock.arrived(end, arrived_ns)
        if end / true_rate_hz < clap_s:
            continue
        heard = int(clap_s * true_rate_hz)  # the sample in which it is
        heard_ns = clock.time_of(heard)
        counted_ns = start_ns + heard * NS_PER_S // RATE_HZ
        seen_ns = clap_s * NS_PER_S + rng.exponential(CAMERA_LATE_MS) * NS_PER_MS
        fitted.append(abs(heard_ns - seen_ns) / NS_PER_MS)
        uncorrected.append(abs(counted_ns - seen_ns) / NS_PER_MS)
        clap_s += CLAP_S
    return fitted, uncorrected
