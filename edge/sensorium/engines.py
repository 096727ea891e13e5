"""Where what is compiled here is kept: it serves nothing but the chip and software that it was made on."""

import os
from pathlib import Path

CACHE_VARIABLE = "SENSORIUM_ENGINES"


def cache_folder() -> Path:
    """$SENSORIUM_ENGINES, else ``engines`` in the user's cache folder for sensorium."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sensorium" / "engines"
