"""Single components of a bundle, for the commands that need no session."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sensorium.bundle import Bundle, Part
from sensorium.errors import BundleError
from sensorium_apps.paths import find_bundle

# role -> the component's class, in the module of the role's own name
CLASSES = {
    "synthesiser": "Synthesiser",
    "recogniser": "Recogniser",
    "detector": "Detector",
    "classifier": "Classifier",
    "voice_activity": "VoiceActivity",
}


@contextmanager
def component(bundle: Path | None, role: str, threads: int) -> Iterator[Any]:
    """The bundle's component of that role; raises BundleError where it has none."""
    with Bundle(find_bundle(bundle)) as opened:
        made = make(opened, role, threads)
        if made is None:
            raise BundleError(f"{opened.path} has no {role}; compile one that has, e.g. companion")
        yield made


def make(bundle: Bundle, role: str, threads: int) -> Any | None:
    """A component of an opened bundle; None where the bundle has none of that role."""
    part: Part | None = bundle.find(role)
    if part is None:
        return None
    module = importlib.import_module(f"sensorium.components.{role}")
    return getattr(module, CLASSES[role])(part, threads)
