"""Readings of any other sensor for a learned model: the newest window of them, encoded as it moves on."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.encoders import FAILING
from sensorium.errors import SampleError
from sensorium.inputs import ReadingsInput, prepare_readings
from sensorium.learned.tower import Tower
from sensorium.samples import Reading, Sample
from sensorium.steps import Finding

LOOK_NS = 100 * NS_PER_MS  # twice a session's ticks; a slower sensor is looked at with every reading
NOT_FINITE = "not finite"
GAP_PERIODS = 10  # a sensor that was away for longer than so many readings, and a second, begins a new window


class LearnedReadings:
    """One thread at a time uses it. Nothing is told until the first window is full."""

    def __init__(self, tower: Tower, spec: ReadingsInput) -> None:
        self.modality = tower.modality
        self._tower, self._spec = tower, spec
        self._ring: deque[NDArray[np.float32]] = deque(maxlen=spec.window)
        self._last_ns: int | None = None
        self._looked_ns: int | None = None
        self._failing = False
        self._gap_ns = max(GAP_PERIODS * spec.period_ms * NS_PER_MS, NS_PER_S)

    def encode(self, sample: Sample) -> Finding:
        """Health and tokens; a reading that is not finite is left out and told."""
        if not isinstance(sample, Reading):
            raise SampleError(f"the {self.modality} encoder takes readings; given {type(sample).__name__}")
        if sample.values.shape != (self._spec.channels,):
            raise SampleError(
                f"a reading of {self.modality} has {self._spec.channels} values; given {len(sample.values)}"
            )
        at_ns = sample.captured_ns
        if not np.isfinite(sample.values).all():
            return Finding(self.modality, at_ns, fault=NOT_FINITE)
        if self._last_ns is not None and at_ns - self._last_ns > self._gap_ns:
            self._ring.clear()
        self._last_ns = at_ns
        self._ring.append(sample.values)
        if len(self._ring) < self._spec.window or not self._due(at_ns):
            return Finding(self.modality, at_ns, fault=FAILING if self._failing else None)
        self._looked_ns = at_ns
        failures: list[str] = []
        tokens = self._tower.attempt(prepare_readings(np.stack(self._ring), self._spec), failures)
        self._failing = tokens is None
        return Finding(
            self.modality,
            at_ns,
            fault=FAILING if tokens is None else None,
            evidence=() if tokens is None else (self._tower.evidence(tokens, at_ns),),
            failures=tuple(failures),
        )

    def _due(self, at_ns: int) -> bool:
        return self._looked_ns is None or at_ns - self._looked_ns >= LOOK_NS
