"""What turns the samples of one modality into what they mean, one sample at a time and in order.

An encoder's findings depend on the samples it was given and on nothing else, so that a recording can be replayed.
A modality that a user adds (smell, touch) is one more class with ``modality`` and ``encode``.
"""

from typing import Protocol

from sensorium.samples import Sample
from sensorium.steps import Finding


class Encoder(Protocol):
    """Encodes the samples of one modality. One thread owns it."""

    @property
    def modality(self) -> str:
        """Whose samples it takes."""
        ...

    def encode(self, sample: Sample) -> Finding:
        """What this sample shows; a part that fails is named in the finding, not raised."""
        ...
