"""Which of ours is on or above the peers' Pareto front of worst-subset accuracy and latency, in words and a table."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from sensorium_compile.peers.forms import OURS, SHARED

POINTS = 100.0


class Row(BaseModel):
    """One form with what was measured of it; without figures where it could not be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    owner: str
    backend: str
    call: str = ""
    note: str = ""
    error: str = ""
    subsets: dict[str, float] = {}  # accuracy
    n: dict[str, int] = {}  # examples of each subset
    ms: float = 0.0  # median of one answer with every sense
    spread_ms: float = 0.0  # between the quartiles
    size_bytes: int = 0

    @property
    def worst(self) -> str:
        """The subset that is answered worst."""
        return min(self.subsets, key=lambda subset: self.subsets[subset])

    @property
    def accuracy(self) -> float:
        """Of the worst subset."""
        return self.subsets[self.worst]


def front(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Those that no other beats in accuracy of the worst subset or latency without losing in the other; by latency."""
    made = [row for row in rows if row.subsets]
    kept = [one for one in made if not any(_dominates(other, one) for other in made)]
    return tuple(sorted(kept, key=lambda row: row.ms))


def verdict(ours: Sequence[Row], peers: Sequence[Row], where: str) -> list[str]:
    """A sentence whether ours is on or above the peers' front, and one for each point of theirs that nothing reaches.

    A point of theirs is reached by a form that is at least as accurate in its worst subset and takes no longer.
    """
    theirs = front(peers)
    open_points = [point for point in theirs if not any(_reaches(own, point) for own in ours if own.subsets)]
    names = ", ".join(point.name for point in theirs)
    if not theirs:
        return [f"{where}: no peer made a form, so there is no front to compare with."]
    if not open_points:
        return [f"{where}: ours is on or above the peers' front ({names})."]
    told = f"{where}: ours is NOT on or above the peers' front at {len(open_points)} of its {len(theirs)} points."
    return [told, *(_open_point(point, [own for own in ours if own.subsets]) for point in open_points)]


def _open_point(point: Row, ours: Sequence[Row]) -> str:
    """What ours has nearest to a point that it does not reach."""
    told = f"{point.name} has {_figures(point)}"
    faster = [own for own in ours if own.ms <= point.ms]
    better = [own for own in ours if own.accuracy >= point.accuracy]
    if faster:
        best = max(faster, key=lambda row: row.accuracy)
        lost = (point.accuracy - best.accuracy) * point.n[point.worst]
        told += f"; the best of ours that is as fast, {best.name}, has {_figures(best)}, {lost:.0f} answers fewer"
    else:
        told += "; none of ours is as fast"
    if better:
        best = min(better, key=lambda row: row.ms)
        share = (best.ms / point.ms - 1) * POINTS
        told += f"; the fastest of ours that is as accurate, {best.name}, has {_figures(best)}, {share:.0f}% longer"
    else:
        told += "; none of ours is as accurate"
    return told + "."


def table(rows: Sequence[Row]) -> str:
    """All forms as Markdown, the fastest first, then those that could not be made."""
    made = sorted((row for row in rows if row.subsets), key=lambda row: row.ms)
    subsets = list(made[0].subsets) if made else []
    fronts = {row.name for owner in (True, False) for row in front([r for r in rows if _side(r, owner)])}
    head = ["form", *subsets, "worst", "ms", "quartiles apart", "MB", "front", "how"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in made:
        cells = [
            row.name,
            *(f"{row.subsets[subset]:.3f}" for subset in subsets),
            f"{row.accuracy:.3f}",
            f"{row.ms:.2f}",
            f"{row.spread_ms:.2f}",
            f"{row.size_bytes / 1e6:.2f}",
            "yes" if row.name in fronts else "",
            "; ".join(filter(None, (row.call, row.note and f"left in float: {row.note}"))),
        ]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    failed = [f"- {row.name}{row.call and f' ({row.call})'}: {row.error}" for row in rows if not row.subsets]
    return "\n".join([*lines, *(["", "Could not be made:", "", *failed] if failed else [])])


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Both comparisons: one runtime, which is quantization alone, and every runtime."""
    one = [row for row in rows if row.backend == "onnxruntime"]
    sides = [(one, "On ONNX Runtime, quantization alone"), (rows, "On every runtime")]
    return [
        sentence
        for among, where in sides
        for sentence in verdict(
            [row for row in among if _side(row, True)], [row for row in among if _side(row, False)], where
        )
    ]


def _side(row: Row, ours: bool) -> bool:
    """Whether a row counts for us, or for the peers; float32 on ONNX Runtime is everyone's."""
    return row.owner == SHARED or (row.owner == OURS) == ours


def _figures(row: Row) -> str:
    return f"{row.accuracy:.3f} ({row.worst}) in {row.ms:.2f} ms"


def _reaches(own: Row, point: Row) -> bool:
    return own.accuracy >= point.accuracy and own.ms <= point.ms


def _dominates(one: Row, other: Row) -> bool:
    return _reaches(one, other) and (one.accuracy, one.ms) != (other.accuracy, other.ms)


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
