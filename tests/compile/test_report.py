import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compile.report_example import candidate, example, form

from sensorium_compile.errors import CompileError
from sensorium_compile.report import (
    CandidateRow,
    Report,
    StageFigures,
    parse_report,
    render_html,
    write_report,
)
from sensorium_compile.report.charts import axis_floor, bars, scatter, whisker
from sensorium_compile.report.schema import shipped_figures
from sensorium_compile.verify.gate import Form, SubsetScores, judge
from sensorium_compile.verify.measure import FormLatency, latency

LOADS = re.compile(r"""(?:src|href)\s*=|url\(|@import|<script|<link|<iframe|<object|<embed|\son\w+\s*=""", re.I)


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not open."""

    VOID = frozenset({"meta", "br", "rect", "line", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, _: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"html", "body", *self.open}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(report: Report) -> Balanced:
    page = Balanced()
    page.feed(render_html(report))
    assert page.open == []
    return page


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = render_html(example())
    assert "default-src 'none'" in page
    assert not LOADS.search(re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    assert "http" not in re.search(r"<style>(.*?)</style>", page, re.S).group(1)  # type: ignore[union-attr]
    assert len(page) < 200_000


def test_the_page_tells_subsets_candidates_reasons_data_and_licences() -> None:
    text = parsed(example()).text
    for told in (
        "vision+audio",
        "98.3%",
        "86.3 points",
        "costs 2.1 points in vision",
        "31 near-duplicate",
        "CC BY-SA 4.0",
        "litert static int8 was not tried",
        "0.0375×",
        "11.2×",
    ):
        assert told in text


@settings(max_examples=25)
@given(st.text(max_size=30))
def test_whatever_a_name_holds_it_stays_text(name: str) -> None:
    hostile = f"</td><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{name}"
    report = example().model_copy(update={"description": hostile, "recipe": hostile, "notes": (hostile,)})
    page = render_html(report)
    assert "<script" not in page
    assert "<img" not in page
    parsed(report)


def test_a_report_of_nothing_but_a_name_is_a_page_too() -> None:
    page = render_html(Report(name="bare", target="x86-cpu"))
    assert "bare" in page
    assert "nan" not in page.lower().replace("provenance", "")


def test_the_json_gives_the_same_report_back(tmp_path: Path) -> None:
    write_report(example(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.html"}
    told = parse_report((tmp_path / "report.json").read_bytes(), "report.json")
    assert told == example()
    assert told.shipped is not None
    assert set(told.shipped.subsets) == {"vision", "audio", "vision+audio"}
    assert (tmp_path / "report.html").read_bytes() == render_html(told).encode(), "the page is the same each time"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "report.json: report: Invalid JSON"),
        ('{"name": "x"}', "report.json: target: Field required"),
        ('{"name": "x", "target": "y", "z": 1}', "report.json: z: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_report_is_named(content: str, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        parse_report(content, "report.json")


def test_rows_come_from_scores_latency_and_verdict() -> None:
    labels = np.arange(100) % 4
    logits = 3.0 * np.eye(4)[labels]
    flipped = np.concatenate([np.roll(logits[:10], 1, axis=1), logits[10:]])
    before, after = ({"vision": SubsetScores.of_logits(x, labels)} for x in (logits, flipped))
    timed = FormLatency({"vision": latency([1e6, 2e6, 3e6])}, {}, 77)
    tried = Form("litert int8", after)
    row = CandidateRow.of(
        tried,
        judge(tried, Form("float", before)),
        backend="litert",
        precision="int8",
        reference=before,
        latency=timed,
    )
    assert (row.ms, row.size_bytes, row.passed) == (2.0, 77, False)
    assert row.subsets["vision"].accuracy == 0.9
    assert row.subsets["vision"].drop_points == pytest.approx(10.0)
    assert row.reasons[0].startswith("vision falls from 1.000 to 0.900")
    assert StageFigures.of("x", before, latency=timed).ms_by_subset == {"vision": 2.0}
    assert shipped_figures(after, before)["agreement"] == {"vision": 0.9}


def test_candidates_far_below_the_others_do_not_squeeze_the_plot() -> None:
    plot = scatter(example().candidates)
    assert plot is not None
    below = [dot for dot in plot.dots if dot.below]
    assert [dot.row.name for dot in below] == ["openvino int8-static"]
    assert all(plot.left <= dot.x <= plot.right and plot.top - 1 <= dot.y <= plot.bottom + 1 for dot in plot.dots)
    assert len(plot.front.split()) == 3
    assert plot.backends == (("onnxruntime", 0), ("openvino", 1), ("executorch", 2), ("litert", 3))


def test_latencies_far_apart_get_a_logarithmic_axis() -> None:
    plot = scatter((candidate("a x", 0.9, 0.3, 10), candidate("b x", 0.9, 30.0, 10)))
    assert plot is not None
    assert plot.logarithmic
    assert [tick.text for tick in plot.x_ticks] == ["0.5", "1", "2", "5", "10", "20"]


def test_one_candidate_and_none_can_be_drawn() -> None:
    assert scatter(()) is None
    plot = scatter((candidate("a x", 1.0, 2.0, 0),))
    assert plot is not None
    assert plot.dots[0].x == pytest.approx(plot.left + (plot.right - plot.left) / 1.08)


def test_whiskers_lie_on_a_common_axis() -> None:
    rows = [row for one in example().forms.values() for row in one.subsets.values()]
    floor = axis_floor(rows)
    assert floor == 0.9
    drawn = whisker(rows[0], floor)
    assert 0 <= drawn.low < drawn.at < drawn.high <= 100


def test_small_blocks_are_added_up() -> None:
    drawn = bars(example().blocks)
    assert list(drawn) == ["vision", "audio", "fusion"]
    assert drawn["vision"][-1].name == "5 more"
    assert sum(bar.share for bar in drawn["vision"]) == pytest.approx(1.0)
    assert max(bar.width for parts in drawn.values() for bar in parts) == 100


def test_the_worst_subset_of_a_form_is_known() -> None:
    assert form("x", 0.9, 0.8, 0.95, ms=1, size=1).worst[0] == "audio"


def test_a_form_that_could_not_be_measured_leaves_the_table_as_it_is() -> None:
    report = example()
    bare = StageFigures(name="litert", subsets={}, size_bytes=10, ms=1.0)
    text = parsed(report.model_copy(update={"shipped": bare})).text
    assert "not measured" in text
    assert "98.5%" in text, "the headline is the student's"


def test_the_hard_protocol_is_told_by_condition_and_by_what_is_there() -> None:
    text = parsed(example()).text
    assert "noise0coveredteacher86.9%83.9%94.9%85.9%·" in text
    assert "noise0darkteacher·83.9%91.9%··" in text
