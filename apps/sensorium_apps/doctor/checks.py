"""What the doctor looks at, in the order in which a person would set things up."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

from sensorium.bundle import Bundle
from sensorium.errors import SensoriumError
from sensorium_apps.doctor.finding import Finding, fail, ok, warn
from sensorium_apps.doctor.golden import golden_findings
from sensorium_apps.extras import EXTRAS, install
from sensorium_apps.paths import HOME_VARIABLE, bundles_folder, find_bundle

OLDEST_PYTHON = (3, 11)  # as pyproject.toml requires
RUNTIME = ("numpy", "pydantic", "onnxruntime")
# What an extra needs before pip can install it.
FIRST = {"mic": "a C compiler and PortAudio's headers (Debian: gcc portaudio19-dev) first; "}
# Distributions that put their files into one folder: with two of them the last installed wins, half of it.
RIVALS = (
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"),
    ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-qnn"),
)
PULL_MB = 1_000  # the zoo, its archives while they are unpacked, and a bundle
FULL_MB = 50  # less, and not even a recording can be written


def examine(bundle: Path | None) -> Iterator[Finding]:
    """Every finding, as it is made."""
    yield python()
    yield from packages()
    yield from extras()
    yield from devices()
    yield display()
    yield from folders()
    yield from bundles(bundle)


def python() -> Finding:
    """The interpreter."""
    told = f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"
    if sys.version_info < OLDEST_PYTHON:
        return fail("python", told, f"install Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")
    return ok("python", told)


def packages() -> Iterator[Finding]:
    """What the runtime needs, and what stands in each other's way."""
    for name in RUNTIME:
        version = _version(name)
        if version is None and util.find_spec(name) is None:
            yield fail(name, "not installed", "pip install sensorium")
        else:
            yield ok(name, version or "installed")
    for rivals in RIVALS:
        present = [name for name in rivals if _version(name) is not None]
        if len(present) > 1:
            advice = f"keep one: pip uninstall {' '.join(present)}, then install the one you want"
            yield warn("packages", f"{' and '.join(present)} share one folder", advice)


def extras() -> Iterator[Finding]:
    """Which extras are installed."""
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if util.find_spec(module) is None]
        what = f"extra {extra}"
        if missing:
            yield warn(what, f"no {', '.join(missing)}", FIRST.get(extra, "") + install(extra))
        else:
            yield ok(what, ", ".join(modules))


def devices() -> Iterator[Finding]:
    """Cameras, microphones and speakers; PortAudio is tried, no device is opened."""
    from sensorium_devices.listing import list_devices

    found = list_devices()
    reasons = dict(problem.split(": ", 1) for problem in found.problems)
    kinds = (
        ("cameras", found.cameras, "connect one, or use --camera with an address or a file"),
        ("microphones", found.microphones, "connect one, or use --mic with a file, or --text -"),
        ("speakers", found.speakers, "connect one, or use --speaker answers.wav"),
    )
    for kind, entries, advice in kinds:
        reason = next((why for what, why in reasons.items() if kind in what), "none found")
        if entries:
            yield ok(kind, ", ".join(f"{entry.uri} ({entry.name})" for entry in entries))
        else:
            yield warn(kind, reason, advice)


def display() -> Finding:
    """Whether a window could be opened."""
    here = sys.platform in ("win32", "darwin") or any(os.environ.get(v) for v in ("DISPLAY", "WAYLAND_DISPLAY"))
    if here:
        return ok("display", "there is one")
    return warn("display", "none", "nothing needs one; sensorium headset --pictures FOLDER writes pictures instead")


def folders() -> Iterator[Finding]:
    """Where weights and bundles go, and whether they fit."""
    places = {"bundles": bundles_folder()}
    try:
        from sensorium_compile.zoo.weights import default_folder

        places = {"weights": default_folder(), **places}
    except ModuleNotFoundError:  # told by the extra
        pass
    for what, folder in places.items():
        yield folder_finding(f"folder of {what}", folder, shutil.disk_usage(_existing(folder)).free / 1e6)


def folder_finding(what: str, folder: Path, free_mb: float) -> Finding:
    """The finding on a folder that need not exist yet, on a disk with so much space."""
    elsewhere = f"set {HOME_VARIABLE} to a folder on another disk"
    if not os.access(_existing(folder), os.W_OK):
        return fail(what, f"{folder} cannot be written", elsewhere)
    told = f"{folder}, {free_mb / 1000:.1f} GB free"
    if free_mb < FULL_MB:
        return fail(what, told, f"free some space, or {elsewhere}")
    if free_mb < PULL_MB:
        return warn(what, told, f"pulling and compiling takes up to {PULL_MB / 1000:g} GB: free some, or {elsewhere}")
    return ok(what, told)


def bundles(given: Path | None) -> Iterator[Finding]:
    """The bundle that would be run, and each of its graphs."""
    try:
        with Bundle(find_bundle(given)) as bundle:
            manifest = bundle.manifest
            yield ok("bundle", f"{bundle.path}: {manifest.name} for {manifest.target}, {len(manifest.parts)} parts")
            yield from golden_findings(bundle)
    except SensoriumError as err:
        yield fail("bundle", str(err), "sensorium pull && sensorium compile companion")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
