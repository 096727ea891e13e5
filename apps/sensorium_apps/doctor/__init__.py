"""What this machine has and lacks for running Sensorium, each finding with what to do."""

from sensorium_apps.doctor.checks import examine
from sensorium_apps.doctor.finding import Finding, Status

__all__ = ["Finding", "Status", "examine"]
