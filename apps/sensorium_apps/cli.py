"""The way in: ``sensorium`` on the command line. Light, so that a missing extra is one clear line."""

import sys


def main() -> None:
    """Run the command line with the process's arguments; never returns."""
    try:
        from sensorium_apps.app import app
    except ModuleNotFoundError as err:
        if err.name not in {"typer", "rich"}:
            raise
        sys.stderr.write('error: the command line is not installed; pip install "sensorium[apps]"\n')
        sys.exit(1)
    app(prog_name="sensorium")
