"""``python -m sensorium_apps`` is the same as ``sensorium``."""

from sensorium_apps.cli import main

main()
