"""What can go wrong, in one tree. Every message says what was given, what is allowed and what to do.

SensoriumError
├── BundleError      a bundle that cannot be trusted or does not fit
├── BackendError     a graph that cannot be opened or run
├── SampleError      a sample that is no sample (shape, type, NaN)
├── SourceError      a device or file that cannot be opened or was lost
├── SinkError        a speaker or file that cannot be written
├── RecordingError   a recording that cannot be read
├── LadderError      a ladder that makes no sense
└── TargetError      a target that there is no profile of, or whose profile is wrong
"""

from collections.abc import Iterable


class SensoriumError(Exception):
    """Root of every error that Sensorium raises on purpose."""


class BundleError(SensoriumError):
    """The bundle is missing, damaged, unsafe, too new, or made for another target."""


class BackendError(SensoriumError):
    """No backend opens this graph, or the one that did failed while running it."""


class SampleError(SensoriumError, ValueError):
    """A sample has the wrong shape, type, rate or content."""


class SourceError(SensoriumError):
    """A source cannot be opened, or was lost; its modality is absent until it returns."""


class SinkError(SensoriumError):
    """A sink (speaker, file) cannot be opened or written."""


class RecordingError(SensoriumError):
    """A recording cannot be read."""


class LadderError(SensoriumError):
    """A table of rungs cannot be read, or has a session swing or never come back."""


class TargetError(SensoriumError):
    """No such target, or its profile cannot be read."""


def unknown(kind: str, given: object, known: Iterable[object]) -> str:
    """The sentence for a name that does not exist, e.g. ``no target 'hedset'; known: headset, kiosk``."""
    return f"no {kind} {str(given)!r}; known: {', '.join(sorted(map(str, known)))}"
