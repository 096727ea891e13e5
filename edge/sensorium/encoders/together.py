"""Two encoders of one modality side by side: a ready component's and a learned model's."""

from sensorium.encoders import Encoder, attempt
from sensorium.samples import Sample
from sensorium.steps import Finding


class Together:
    """What both find. The first judges the modality's health; the second fails alone."""

    def __init__(self, first: Encoder, second: Encoder) -> None:
        self.modality = first.modality
        self._first, self._second = first, second
        self._variant = ""

    def use_variant(self, name: str) -> None:
        """Of both, where they have variants."""
        self._variant = name

    def encode(self, sample: Sample) -> Finding:
        """The first's finding with the second's evidence added."""
        found, more = (attempt(encoder, sample, self._variant) for encoder in (self._first, self._second))
        return Finding(
            found.modality,
            found.captured_ns,
            fault=found.fault,
            evidence=() if found.fault else (*found.evidence, *more.evidence),
            things=found.things,
            names=found.names,
            sounds=found.sounds,
            speech=found.speech,
            text=found.text,
            failures=(*found.failures, *more.failures),
        )
