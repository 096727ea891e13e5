"""The bundle: a compiled artifact for one target, checked before any of it is used."""

from sensorium.bundle.evidence import STAGES, Evidence, Stage, prove, status_of
from sensorium.bundle.loaded import Bundle, Part
from sensorium.bundle.manifest import (
    SCHEMA_VERSION,
    FallbackEntry,
    FileEntry,
    GraphEntry,
    Manifest,
    Origin,
    PartEntry,
    TensorSpec,
)

__all__ = [
    "SCHEMA_VERSION",
    "STAGES",
    "Bundle",
    "Evidence",
    "FallbackEntry",
    "FileEntry",
    "GraphEntry",
    "Manifest",
    "Origin",
    "Part",
    "PartEntry",
    "Stage",
    "TensorSpec",
    "prove",
    "status_of",
]
