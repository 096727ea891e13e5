"""Typed text: every line is an utterance."""

from sensorium.errors import SampleError
from sensorium.samples import Line, Sample
from sensorium.steps import Finding

LONGEST = 2_000  # characters of a line that are read: more is a pasted file, not a question


class TextEncoder:
    """See the module."""

    modality = "text"

    def encode(self, sample: Sample) -> Finding:
        """The line without the blanks around it; an empty one says nothing."""
        if not isinstance(sample, Line):
            raise SampleError(f"the text encoder takes lines; given {type(sample).__name__}")
        return Finding("text", sample.captured_ns, text=sample.text.strip()[:LONGEST] or None)
