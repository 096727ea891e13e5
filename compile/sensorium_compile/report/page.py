"""``report.html``: one page without scripts that loads nothing, in the reader's colour scheme."""

from collections.abc import Mapping
from functools import cache

import jinja2

from sensorium_compile.report import charts
from sensorium_compile.report.schema import Report, StageFigures, SubsetRow

ABSENT = "absent"  # see sensorium_compile.data.protocol, which names the cells AUDIO/VISION/THERE
THERE = ("vision", "audio", "both", "either", "independent")


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
        there=THERE,
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
    told = next((form for form in (report.shipped, report.student) if form is not None and form.subsets), None)
    if told is not None:
        subset, row = told.worst
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


def _hard(forms: Mapping[str, StageFigures]) -> list[tuple[str, str, list[tuple[str, list[str]]]]]:
    """Sound and picture, and for each form its figures by which senses are there, in the order of ``THERE``."""
    names = dict.fromkeys(cell for form in forms.values() for cell in form.hard)
    conditions = dict.fromkeys(tuple(name.split("/")[:2]) for name in names if name.split("/")[-1] in THERE[2:])
    return [
        (audio, vision, [(form, _cells(told.hard, audio, vision)) for form, told in forms.items() if told.hard])
        for audio, vision in conditions
    ]


def _cells(hard: Mapping[str, SubsetRow], audio: str, vision: str) -> list[str]:
    """The figures of one pair of conditions; a dot where one was not measured."""
    names = [f"{ABSENT}/{vision}/vision", f"{audio}/{ABSENT}/audio", *(f"{audio}/{vision}/{t}" for t in THERE[2:])]
    return [_percent(hard[name].accuracy) if name in hard else "·" for name in names]


def _percent(share: float) -> str:
    """One decimal; never rounded up to 100 %."""
    return "99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"


def _points(value: float) -> str:
    return f"{value:+.1f}".replace("+0.0", "0.0").replace("-0.0", "0.0")


def _mb(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.2f}"


def _ms(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
