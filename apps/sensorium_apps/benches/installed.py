"""How much disk the runtime takes with all that it needs, by what is installed here."""

import re
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

OURS = ("sensorium", "sensorium_devices", "sensorium_compile", "sensorium_apps")  # what one wheel installs
# What pyproject.toml names, for a checkout that was not installed.
DIRECT = ("numpy", "pydantic", "onnxruntime")


def install_mb() -> dict[str, float]:
    """Megabytes (10^6) by distribution: all that the runtime requires, no extras, and our packages."""
    sizes = {name: _size_mb(metadata.files(name) or ()) for name in closure(direct_requirements())}
    return {"sensorium": sum(map(_package_mb, OURS)), **sizes}


def direct_requirements() -> tuple[str, ...]:
    """The names of what sensorium requires without extras."""
    try:
        return tuple(_required("sensorium"))
    except metadata.PackageNotFoundError:
        return DIRECT


def closure(names: tuple[str, ...]) -> tuple[str, ...]:
    """These distributions and all that they require, each once, sorted."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _required(name)
    return tuple(sorted(found))


def _required(distribution: str) -> Iterator[str]:
    """What it requires on this machine; requirements of extras do not count."""
    from packaging.requirements import Requirement

    for text in metadata.requires(distribution) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield re.sub(r"[-_.]+", "-", requirement.name).lower()


def _size_mb(files: "list[metadata.PackagePath] | tuple[()]") -> float:
    paths = (Path(str(file.locate())) for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def _package_mb(package: str) -> float:
    spec = util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    files = (file for folder in folders or () for file in Path(folder).rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files) / 1e6
