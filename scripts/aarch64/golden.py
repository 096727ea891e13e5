"""Runs a bundle's golden inputs on this processor: ``golden.py BUNDLE``. Fails where one comes out wrong."""

import platform
import sys

from sensorium.bundle import Bundle
from sensorium_apps.doctor.golden import golden_findings


def main() -> None:
    """One line a graph."""
    with Bundle(sys.argv[1], target="any") as bundle:
        found = list(golden_findings(bundle))
    for one in found:
        sys.stdout.write(f"{platform.machine()} {one.status}: {one.what}: {one.told}\n")
    sys.exit(1 if any(one.status == "fail" for one in found) else 0)


if __name__ == "__main__":
    main()
