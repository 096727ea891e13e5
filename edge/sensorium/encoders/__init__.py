"""What turns the samples of one modality into what they mean, one sample at a time and in order.

An encoder's findings depend on the samples it was given and on nothing else, so that a recording can be replayed.
A modality that a user adds (smell, touch) is one more class with ``modality`` and ``encode``.
"""

import logging
from dataclasses import replace
from typing import Protocol, cast

from sensorium.samples import Sample
from sensorium.steps import Finding

log = logging.getLogger(__name__)

FAILING = "failing"  # the fault of a modality whose encoder raises


class Encoder(Protocol):
    """Encodes the samples of one modality. One thread at a time uses it, not always the same."""

    @property
    def modality(self) -> str:
        """Whose samples it takes."""
        ...

    def encode(self, sample: Sample) -> Finding:
        """What this sample shows; a part that fails is named in the finding, not raised."""
        ...


class Varied(Protocol):
    """An encoder that can do with less, for a chip that is late or hot."""

    def use_variant(self, name: str) -> None:
        """Go on with the variant of that name; with the model itself where it is "" or there is none."""
        ...


def attempt(encoder: Encoder, sample: Sample, variant: str = "") -> Finding:
    """What this sample shows to that variant; an encoder that raises has its modality degraded, not silenced."""
    try:
        if hasattr(encoder, "use_variant"):  # to ask isinstance of a protocol takes longer than all the hand-overs
            cast(Varied, encoder).use_variant(variant)
        found = encoder.encode(sample)
        return replace(found, variant=variant) if variant else found
    except Exception as err:  # a user's encoder, or a sample that it does not take
        log.exception("the %s encoder failed", encoder.modality)
        reason = f"encoder: {type(err).__name__}: {err}"
        return Finding(encoder.modality, sample.captured_ns, fault=FAILING, failures=(reason,))
