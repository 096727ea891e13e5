"""``report.html``: one page without scripts that loads nothing, in the reader's colour scheme."""

from collections.abc import Mapping
from functools import cache

import jinja2
from pydantic import JsonValue

from sensorium_compile.report import charts
from sensorium_compile.report.schema import Report, StageFigures, SubsetRow


def render(report: Report) -> str:
    """The page. Everything in it that came from outside is escaped by the template engine."""
    rows = [row for form in report.forms.values() for row in form.subsets.values()]
    floor = charts.axis_floor(rows)

    def whisker(row: SubsetRow) -> charts.Whisker:
        return charts.whisker(row, floor)

    return _template().render(
        report=report,
        tiles=_tiles(report),
        floor=floor,
        whisker=whisker,
        scatter=charts.scatter(report.candidates),
        bars=charts.bars(report.blocks),
        kept=[block for block in report.blocks if block.reason],
        hard=_hard(report.forms),
        longest_stage=max((stage.seconds for stage in report.stages), default=0.0) or 1.0,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sensorium_compile.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "mb": _mb, "ms": _ms, "points": _points}
    return environment.get_template("page.html")


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """The headline: a figure, what it is, and a remark."""
    tiles = []
    shipped = report.shipped or report.student
    if shipped is not None:
        subset, row = shipped.worst
        tiles.append((_percent(row.accuracy), f"{report.metric} of the worst subset", f"{subset}, n = {row.n}"))
    named = {
        "size_ratio": ("{:.3g}×", "the teacher's size"),
        "speedup_vs_teacher_ort_fp32": ("{:.1f}×", "as fast as the teacher in onnxruntime fp32"),
        "compile_s": ("{:.0f} s", "to compile"),
    }
    tiles += [
        (form.format(report.figures[key]), what, "") for key, (form, what) in named.items() if key in report.figures
    ]
    if report.shipped is not None and report.shipped.ms is not None:
        tiles.append((f"{_ms(report.shipped.ms)} ms", "an answer, one thread", report.shipped.name))
    return tiles


def _hard(forms: Mapping[str, StageFigures]) -> tuple[list[str], list[tuple[str, list[tuple[str, list[str]]]]]] | None:
    """Columns, and per cell of the hard protocol the forms' figures by subset; None where nothing was measured."""
    cells = list(dict.fromkeys(cell for form in forms.values() for cell in form.hard))
    columns: dict[str, None] = {}
    for form in forms.values():
        for told in form.hard.values():
            columns |= dict.fromkeys(told if isinstance(told, dict) else ["accuracy"])
    if not cells:
        return None
    table = [
        (
            cell,
            [(name, [_cell(form.hard[cell], c) for c in columns]) for name, form in forms.items() if cell in form.hard],
        )
        for cell in cells
    ]
    return list(columns), table


def _cell(told: JsonValue, column: str) -> str:
    """A share as percent, whether it is a number or a row with its interval."""
    value = told.get(column) if isinstance(told, dict) else told
    value = value.get("accuracy") if isinstance(value, dict) else value
    return _percent(value) if isinstance(value, int | float) else "·"


def _percent(share: float) -> str:
    """One decimal; never rounded up to 100 %."""
    return "99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"


def _points(value: float) -> str:
    return f"{value:+.1f}".replace("+0.0", "0.0").replace("-0.0", "0.0")


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.2f}"


def _ms(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
