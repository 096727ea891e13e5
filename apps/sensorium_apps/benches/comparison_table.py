"""The comparison with the peers as a Markdown table and a picture, from what the benches told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sensorium.errors import SensoriumError
from sensorium_apps.benches.beside import OURS
from sensorium_apps.benches.peers import PEERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEGIN = "<!-- written by scripts/compare-peers: begin -->"
END = "<!-- written by scripts/compare-peers: end -->"
NOTHING = "·"  # it has nothing of the kind
OUR_COLOUR, PEER_COLOUR = "#1b6e53", "#9aa5b1"

One: TypeAlias = dict[str, Any]  # figures and spread of ours or of one peer


@dataclass(frozen=True, slots=True)
class Measure:
    """A row of the table."""

    bench: str
    label: str
    cell: Callable[[One], str]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the picture: one figure of ours and the peers."""

    bench: str
    figure: str
    title: str
    log: bool = True


def _spread(one: One, name: str) -> str:
    """``17 (15-20)``: the median, and the least and most where there were several rounds."""
    low, high = one["spread"][name]
    value = _number(one["figures"][name])
    return value if low == high else f"{value} ({_number(low)}-{_number(high)})"


def _load(one: One) -> str:
    age_ms = one["figures"]["age_p99_ms"]
    return f"{age_ms / 1000:.1f} s" if age_ms >= 1000 else f"{age_ms:.0f} ms"


def _happened(one: One) -> str:
    ms = one["figures"]["p50_ms"]
    return f"not within {one['figures']['watched_s']:.0f} s" if ms is None else f"{ms:.0f} ms"


MEASURES = (
    Measure("overhead", "five stages, 640x480: p50, us", lambda one: _spread(one, "p50_us")),
    Measure("overhead", "the same: p99, us", lambda one: _spread(one, "p99_us")),
    Measure("overload", "30 fps into a stage of 100 ms: age of a frame, p99", _load),
    Measure("overload", "the same: memory", lambda one: f"{one['figures']['rss_growth_mb']:+.1f} MB"),
    Measure("absent", "a sense is absent: answered", lambda one: f"{one['figures']['answered_ratio']:.0%}"),
    Measure("stall", "a read never returns: told after", _happened),
    Measure("recovery", "unplugged: back after its return", _happened),
    Measure("startup", "import, s", lambda one: _spread(one, "import_s")),
    Measure("startup", "memory after it, MB", lambda one: _number(one["figures"]["rss_mb"])),
)
PANELS = (
    Panel("overhead", "p50_us", "five stages, p50 [us]"),
    Panel("overhead", "p99_us", "five stages, p99 [us]"),
    Panel("overload", "age_p99_ms", "overload: age of a frame, p99 [ms]"),
    Panel("absent", "answered_ratio", "a sense absent: share answered", log=False),
    Panel("startup", "import_s", "import [s]"),
    Panel("startup", "rss_mb", "memory after it [MB]"),
)


def table(told: dict[str, Any]) -> str:
    """Markdown: a row for each measure, a column for each peer; below, on what it was measured and who is missing."""
    versions = {name: _version(told, name) for name in PEERS}
    head = ["", OURS, *(f"{PEERS[name].title} {versions[name]}".strip() for name in PEERS)]
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for measure in MEASURES:
        bench = told[measure.bench]
        cells = [measure.cell(bench), *(_cell(bench["peers"].get(name), measure) for name in PEERS)]
        rows.append("| " + " | ".join([measure.label, *cells]) + " |")
    on, floor = told["machine"], told["overhead"]["floor"]
    notes = [
        f"Measured in one run on {on['processor']}, {on['cores']} cores, load {on['load_1min']}, where a queue wakes a "
        f"thread in {floor['queue_hop_p50_us']:.0f} us (p99 {floor['queue_hop_p99_us']:.0f}): medians of "
        f"{told['overhead']['rounds']} rounds in turn (least-most). {NOTHING}: it has nothing of the kind.",
        *(f"{PEERS[name].title}, {bench}: {reason}." for name, bench, reason in _failures(told)),
    ]
    return "\n".join([*rows, "", *notes])


def put(page: str, made: str) -> str:
    """The page with this table between its marks; raises SensoriumError where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SensoriumError(f"the page has no place for the table: write {BEGIN!r} and {END!r} into it")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def drawn(told: dict[str, Any], path: Path) -> None:
    """The picture: a panel for each of the figures that most peers have, ours on top."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 5), constrained_layout=True)
    for panel, place in zip(PANELS, axes.flat, strict=True):
        _draw(place, panel, told[panel.bench])
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw(place: "Axes", panel: Panel, bench: dict[str, Any]) -> None:
    from matplotlib.ticker import NullFormatter

    named = [(OURS, bench), *((PEERS[name].title, one) for name, one in bench["peers"].items() if "figures" in one)]
    names, values = [name for name, _ in named], [one["figures"][panel.figure] for _, one in named]
    bars = place.barh(names, values, color=[OUR_COLOUR, *[PEER_COLOUR] * (len(names) - 1)])
    place.bar_label(bars, [_number(value) for value in values], padding=3, fontsize=8)
    place.set_title(panel.title, fontsize=10, loc="left")
    place.invert_yaxis()
    place.tick_params(labelsize=8)
    place.spines[["top", "right"]].set_visible(False)
    if panel.log:
        place.set_xscale("log")
        place.xaxis.set_minor_formatter(NullFormatter())
        place.set_xlim(min(values) / 3, max(values) * 3)
    else:
        place.set_xlim(0, 1.15)


def _cell(one: One | None, measure: Measure) -> str:
    if one is None:
        return NOTHING
    return "not run" if "error" in one else measure.cell(one)


def _version(told: dict[str, Any], name: str) -> str:
    return next((v for b in told.values() if (v := b.get("peers", {}).get(name, {}).get("version"))), "")


def _failures(told: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Peer, bench and reason of each that could not be run; of a reason that is the same everywhere, the first."""
    seen = set()
    for bench, one in told.items():
        for name, peer in one.get("peers", {}).items():
            if "error" in peer and (name, peer["error"]) not in seen:
                seen.add((name, peer["error"]))
                yield name, bench, peer["error"]


def _number(value: float) -> str:
    """Two digits below 10, else whole."""
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"
