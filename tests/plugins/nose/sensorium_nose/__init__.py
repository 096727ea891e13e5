"""Smell as a modality of Sensorium, by plugin: a reader of gas-sensor sessions and a tower for gas levels.

A recipe that says ``plugins = ["sensorium_nose"]`` has both by name; ``RECIPE`` is such a one.
"""

from pathlib import Path

from sensorium_compile.data.readers import register_reader
from sensorium_compile.towers import register_tower
from sensorium_nose import sessions, tower

RECIPE = Path(__file__).parent / "nose.toml"

register_reader(sessions.NAME, sessions.read)
register_tower(tower.NAME, tower.build, tower.GasOptions)

__all__ = ["RECIPE"]
