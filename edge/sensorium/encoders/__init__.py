"""What turns the samples of one modality into what they mean, one sample at a time and in order.

An encoder's findings depend on the samples it was given and on nothing else, so that a recording can be replayed.
A modality that a user adds (smell, touch) is one more class with ``modality`` and ``encode``.
"""

import logging
from typing import Protocol

from sensorium.samples import Sample
from sensorium.steps import Finding

log = logging.getLogger(__name__)

FAILING = "failing"  # the fault of a modality whose encoder raises


class Encoder(Protocol):
    """Encodes the samples of one modality. One thread owns it."""

    @property
    def modality(self) -> str:
        """Whose samples it takes."""
        ...

    def encode(self, sample: Sample) -> Finding:
        """What this sample shows; a part that fails is named in the finding, not raised."""
        ...


def attempt(encoder: Encoder, sample: Sample) -> Finding:
    """What this sample shows; an encoder that raises has its modality degraded, not silenced."""
    try:
        return encoder.encode(sample)
    except Exception as err:  # a user's encoder, or a sample that it does not take
        log.exception("the %s encoder failed", encoder.modality)
        reason = f"encoder: {type(err).__name__}: {err}"
        return Finding(encoder.modality, sample.captured_ns, fault=FAILING, failures=(reason,))
