"""Where things are drawn: pure functions from figures to coordinates [px]; the template draws them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sensorium_compile.report.schema import Block, CandidateRow, SubsetRow

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 20, 48
R_MIN, R_MAX = 9.0, 17.0  # px of a candidate's circle: its area is its size
LOG_FROM = 6.0  # latencies further apart than that are drawn on a logarithmic axis
SHOWN_BLOCKS = 14  # of a graph; the rest is added up


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A candidate in the plane of latency and accuracy."""

    number: int
    x: float
    y: float
    radius: float
    high: float  # of the interval, y
    low: float
    colour: int  # of its backend
    below: bool  # worse than the plot shows: drawn at its lower edge
    row: CandidateRow


@dataclass(frozen=True, slots=True)
class Scatter:
    """Accuracy of the worst subset over latency, with the Pareto front."""

    dots: tuple[Dot, ...]
    front: str  # points of the polyline
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    backends: tuple[tuple[str, int], ...]  # name, colour
    logarithmic: bool
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class Whisker:
    """An accuracy and its interval on an axis of 0 to 100."""

    low: float
    high: float
    at: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a graph's time."""

    name: str
    ms: float
    share: float  # of the whole graph
    width: float  # 0 to 100, of the longest bar of all graphs
    precision: str
    reason: str


def scatter(rows: Sequence[CandidateRow]) -> Scatter | None:
    """None where no candidate has both figures. Numbers are those of the rows, from 1."""
    told = [(i, row, row.worst, row.ms) for i, row in enumerate(rows, 1)]
    shown = [(i, row, worst[1], ms) for i, row, worst, ms in told if worst is not None and ms]
    if not shown:
        return None
    times = [ms for *_, ms in shown]
    floor, roof = _accuracy_range([one for _, row, one, _ in shown if row.passed] or [one for *_, one, _ in shown])
    logarithmic = max(times) / min(times) > LOG_FROM
    x, x_ticks = _log_axis(times) if logarithmic else _linear_axis(0.0, max(times) * 1.08, LEFT, WIDTH - RIGHT)
    y, y_ticks = _linear_axis(floor * 100, roof * 100, HEIGHT - BOTTOM, TOP)
    backends = {name: i for i, name in enumerate(dict.fromkeys(row.backend for row in rows))}
    largest = max(row.size_bytes for _, row, *_ in shown) or 1
    dots = tuple(
        Dot(
            i,
            x(ms),
            y(max(one.accuracy, floor) * 100),
            R_MIN + (R_MAX - R_MIN) * math.sqrt(row.size_bytes / largest),
            y(one.high * 100),
            y(max(one.low, floor) * 100),
            backends[row.backend],
            one.accuracy < floor,
            row,
        )
        for i, row, one, ms in shown
    )
    line = sorted((dot.x, dot.y) for dot in dots if dot.row.on_front)
    front = " ".join(f"{px:.1f},{py:.1f}" for px, py in line)
    return Scatter(dots, front, x_ticks, y_ticks, tuple(backends.items()), logarithmic)


def whisker(row: SubsetRow, floor: float) -> Whisker:
    """On an axis that begins at the accuracy ``floor`` and ends at 1."""

    def at(share: float) -> float:
        return 100 * max(share - floor, 0.0) / (1 - floor)

    return Whisker(at(row.low), at(row.high), at(row.accuracy))


def axis_floor(rows: Sequence[SubsetRow]) -> float:
    """Where an axis of accuracies begins: the tenth below the lowest interval, at most 0.9."""
    lowest = min((row.low for row in rows), default=0.0)
    return min(math.floor(lowest * 10) / 10, 0.9)


def bars(blocks: Sequence[Block]) -> dict[str, tuple[Bar, ...]]:
    """By graph, its blocks with a time, slowest first; what is beyond the first ``SHOWN_BLOCKS`` is added up."""
    graphs: dict[str, list[Block]] = {}
    for block in blocks:
        if block.ms is not None:
            graphs.setdefault(block.graph, []).append(block)
    made = {}
    longest = 0.0
    for graph, own in graphs.items():
        own.sort(key=lambda block: -(block.ms or 0.0))
        total = sum(block.ms or 0.0 for block in own) or 1.0
        rest = sum(block.ms or 0.0 for block in own[SHOWN_BLOCKS:])
        parts = [(b.block, b.ms or 0.0, b.precision, b.reason) for b in own[:SHOWN_BLOCKS]]
        if rest:
            parts.append((f"{len(own) - SHOWN_BLOCKS} more", rest, "", ""))
        longest = max(longest, *(ms for _, ms, *_ in parts))
        made[graph] = [(name, ms, ms / total, precision, reason) for name, ms, precision, reason in parts]
    return {
        graph: tuple(Bar(n, ms, share, 100 * ms / (longest or 1.0), p, r) for n, ms, share, p, r in parts)
        for graph, parts in made.items()
    }


def _accuracy_range(rows: Sequence[SubsetRow]) -> tuple[float, float]:
    """A little more than what those that passed span."""
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    margin = max((high - low) * 0.15, 0.005)
    return max(0.0, low - margin), min(1.0, high + margin)


def _linear_axis(
    low: float, high: float, start: float, end: float
) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """A scale from values to pixels, and ticks at round values."""

    def place(value: float) -> float:
        return start + (value - low) / ((high - low) or 1.0) * (end - start)

    step = _round_step((high - low) / 5)
    first = math.ceil(low / step - 1e-9)
    values = [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]
    return place, tuple(Tick(place(value), f"{value:.6g}") for value in values)


def _log_axis(values: Sequence[float]) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    low, high = math.log10(min(values)) - 0.1, math.log10(max(values)) + 0.1

    def place(value: float) -> float:
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - RIGHT - LEFT)

    decades = range(math.floor(low), math.ceil(high) + 1)
    marks = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    return place, tuple(Tick(place(m), f"{m:g}") for m in marks if low <= math.log10(m) <= high)


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10 ... that is not less."""
    power = 10.0 ** math.floor(math.log10(least or 1.0))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
