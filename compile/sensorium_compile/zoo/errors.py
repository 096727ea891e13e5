"""What can go wrong between the zoo and the cache."""

from sensorium.errors import SensoriumError


class PullError(SensoriumError):
    """A weight file is not in the cache, or could not be fetched, checked or stored."""
