"""What a compile run found: ``report.json`` for programs, ``report.html`` for people, both from one model."""

from collections.abc import Mapping
from pathlib import Path

from sensorium_compile.report.schema import (
    JSON_NAME,
    Block,
    CandidateRow,
    Contribution,
    DataRow,
    GraphRow,
    Report,
    StageFigures,
    StageRow,
    SubsetRow,
    parse_report,
)

HTML_NAME = "report.html"

__all__ = [
    "HTML_NAME",
    "JSON_NAME",
    "Block",
    "CandidateRow",
    "Contribution",
    "DataRow",
    "GraphRow",
    "Report",
    "StageFigures",
    "StageRow",
    "SubsetRow",
    "parse_report",
    "render_html",
    "report_files",
    "write_report",
]


def render_html(report: Report) -> str:
    """The page: one file that opens offline."""
    from sensorium_compile.report.page import render  # jinja2 is loaded only where a page is made

    return render(report)


def report_files(report: Report) -> Mapping[str, bytes]:
    """``report.json`` and ``report.html``."""
    return {JSON_NAME: (report.model_dump_json(indent=1) + "\n").encode(), HTML_NAME: render_html(report).encode()}


def write_report(report: Report, folder: Path) -> None:
    """Write both into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in report_files(report).items():
        (folder / name).write_bytes(content)
