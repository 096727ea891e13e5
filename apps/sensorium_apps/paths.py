"""Where bundles lie on this machine, and which one is meant when none is named."""

import os
from pathlib import Path

from sensorium.errors import BundleError

HOME_VARIABLE = "SENSORIUM_HOME"
COMPANION = "companion"  # the bundle that every app runs unless told otherwise


def bundles_folder() -> Path:
    """``$SENSORIUM_HOME/bundles``, else ``bundles`` in the user's data folder for sensorium."""
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser() / "bundles"
    import platformdirs

    return platformdirs.user_data_path("sensorium", appauthor=False) / "bundles"


def bundle_folder(name: str) -> Path:
    """Where the bundle of that name belongs, whether it is there or not."""
    return bundles_folder() / name


def default_bundle() -> Path:
    """Where the companion bundle belongs, whether it is there or not."""
    return bundle_folder(COMPANION)


def find_bundle(given: Path | None) -> Path:
    """The bundle that the user named, else the companion; raises BundleError where it is not there."""
    path = given or default_bundle()
    if not path.exists():
        make = "run: sensorium pull && sensorium compile companion"
        raise BundleError(f"no bundle at {path}; {'give another --bundle, or ' if given else ''}{make}")
    return path
