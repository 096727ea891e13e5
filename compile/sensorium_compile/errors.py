"""What can go wrong while a bundle is made."""

from sensorium.errors import SensoriumError


class CompileError(SensoriumError):
    """Weights that cannot be converted, or a graph that does not do what its original does."""
