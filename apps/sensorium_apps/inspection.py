"""What a bundle is made of and what was measured of it, as one tree of plain values."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensorium_apps.paths import bundle_folder, find_bundle

if TYPE_CHECKING:
    from sensorium.bundle import Bundle
    from sensorium.bundle.manifest import GraphEntry, PartEntry
    from sensorium_compile.report import Report, StageFigures

REPORT = "report.json"


def locate(given: str) -> Path:
    """Where a bundle is that was given by its path, or by the name of one that was compiled here."""
    path = Path(given)
    named = bundle_folder(given) if path.name == given else path
    return find_bundle(named if named.exists() and not path.exists() else path)


def open_any(given: str) -> "Bundle":
    """A bundle of any target, for it is only looked at."""
    from sensorium.bundle import Bundle

    return Bundle(locate(given), target="any")


def find_report(bundle: "Bundle") -> "Report | None":
    """The report that lies in the bundle, or beside it as ``NAME.report.json``; None where there is none."""
    from sensorium_compile.report import parse_report

    path = bundle.path
    beside = path.with_name(f"{path.stem}.{REPORT}")
    if REPORT in bundle.manifest.files:
        return parse_report(bundle.read(REPORT), f"{path}: {REPORT}")
    if (path / REPORT).is_file():
        return parse_report((path / REPORT).read_bytes(), str(path / REPORT))
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            if REPORT in archive.namelist():
                return parse_report(archive.read(REPORT), f"{path}: {REPORT}")
    return parse_report(beside.read_bytes(), str(beside)) if beside.is_file() else None


def inspect_bundle(bundle: "Bundle") -> dict[str, Any]:
    """Everything that ``sensorium inspect`` tells."""
    manifest, report = bundle.manifest, find_report(bundle)
    return {
        "bundle": str(bundle.path),
        "name": manifest.name,
        "target": manifest.target,
        "digest": bundle.digest,
        "schema_version": manifest.schema_version,
        "size_bytes": sum(entry.size for entry in manifest.files.values()),
        "parts": {name: _part(bundle, entry) for name, entry in manifest.parts.items()},
        "licences": sorted({origin.licence for entry in manifest.parts.values() for origin in entry.origins}),
        "tools": manifest.tools,
        "notes": list(dict.fromkeys((*manifest.notes, *(report.notes if report else ())))),
        "stages": {name: _stage(form) for name, form in report.forms.items()} if report else {},
        "figures": report.figures if report else {},
        "ece": report.ece if report else {},
        "agreement": report.agreement if report else {},
        "contribution_shift": {s: c.model_dump() for s, c in report.contribution_shift.items()} if report else {},
        "candidates": [row.model_dump() for row in report.candidates] if report else [],
        "blocks": [row.model_dump() for row in report.blocks] if report else [],
    }


def _part(bundle: "Bundle", entry: "PartEntry") -> dict[str, Any]:
    files = bundle.manifest.files
    return {
        "role": entry.role,
        "graphs": {name: _graph(bundle, graph) for name, graph in entry.graphs.items()},
        "files": {
            name: {"file": file, "size_bytes": files[file].size, "sha256": files[file].sha256}
            for name, file in entry.files.items()
        },
        "config": entry.config,
        "figures": entry.figures,
        "origins": [origin.model_dump() for origin in entry.origins],
    }


def _graph(bundle: "Bundle", graph: "GraphEntry") -> dict[str, Any]:
    file = bundle.manifest.files[graph.file]
    return {
        "file": graph.file,
        "status": graph.status,
        "evidence": [one.model_dump() for one in graph.evidence],
        "backend": graph.backend,
        "precision": graph.precision,
        "size_bytes": file.size,
        "sha256": file.sha256,
        "inputs": {spec.name: f"{spec.dtype} {list(spec.shape)}" for spec in graph.inputs},
        "outputs": {spec.name: f"{spec.dtype} {list(spec.shape)}" for spec in graph.outputs},
    }


def _stage(form: "StageFigures") -> dict[str, Any]:
    return {
        "name": form.name,
        "subsets": {subset: row.model_dump(exclude_none=True) for subset, row in form.subsets.items()},
        "size_bytes": form.size_bytes,
        "ms": form.ms,
        "ms_by_subset": form.ms_by_subset,
    }
