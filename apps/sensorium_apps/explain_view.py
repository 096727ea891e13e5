"""Explanations to look at: a table with bars for a terminal, a picture of a whole session."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from sensorium.clock import NS_PER_S
from sensorium.events import Percept
from sensorium_apps.explanation import Answer, Explanation, Share, explain
from sensorium_apps.wording import NAMES, percent

BAR_CELLS = 16
# Half of all log-odds that one modality adds stay below 4 (odds of 50 to 1): there a bar is full.
FULL_BAR = 4.0
COLOURS = ("#1b4f8a", "#e07b30", "#2a9d4a", "#6a3d9a", "#b03060", "#777777")  # senses in the picture
LABEL_GAP_S = 1.0  # names of answers in the picture are at least so far apart, to be read


def contribution_bar(log_odds: float | None) -> Text:
    """What a modality added for a candidate, as number and bar; green for, red against, a dot for nothing."""
    if log_odds is None:
        return Text("·", "dim")
    cells = min(BAR_CELLS, round(abs(log_odds) / FULL_BAR * BAR_CELLS))
    style = "green" if log_odds >= 0 else "red"
    return Text.assemble((f"{log_odds:+.1f} ", "dim"), ("━" * cells, style))


def table(explanation: Explanation, title: str = "") -> Table:
    """Sense by sense: health, age, what it added, and the answer without it."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for header in (headline(explanation), "health", "age", "adds", "without it"):
        made.add_column(header, header_style="dim" if header != headline(explanation) else "bold")
    for share in explanation.shares:
        name = NAMES.get(share.modality, share.modality)
        made.add_row(
            Text(f"  {name}", "bold" if share.modality in explanation.causes[:1] else ""),
            " ".join(filter(None, (share.sensed.state.value, share.sensed.reason))),
            "" if share.sensed.age_ms is None else f"{share.sensed.age_ms / 1000:.1f} s",
            contribution_bar(share.adds),
            _without(share, explanation.answer),
        )
    return made


def headline(explanation: Explanation) -> str:
    """The answer, and by which senses: ``a cat 81%, by camera``."""
    by = " and ".join(NAMES.get(modality, modality) for modality in explanation.causes) or "nothing that was sensed"
    return f"{explanation.answer.text} {percent(explanation.answer.probability)}, by {by}"


def _without(share: Share, answer: Answer) -> str:
    if share.without is None:
        return "the same" if share.adds is None else ""
    name = "the same" if share.without.text == answer.text else share.without.text
    return f"{name}, {percent(share.without.probability)}"


def draw(percepts: Sequence[Percept], out: Path) -> None:
    """Write a PNG file: what each sense added to the best answer, percept by percept; new answers are named."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    start_ns = percepts[0].at_ns
    explained = [(p, found) for p in percepts if (found := explain(p.candidates, p.senses)) is not None]
    modalities = list(dict.fromkeys(s.modality for _, found in explained for s in found.shares if s.adds is not None))
    figure, axes = plt.subplots(figsize=(14, 4.5), constrained_layout=True)
    for modality, colour in zip(modalities, COLOURS * (len(modalities) // len(COLOURS) + 1), strict=False):
        times = [(p.at_ns - start_ns) / NS_PER_S for p, _ in explained]
        adds = [next((s.adds or 0.0 for s in found.shares if s.modality == modality), 0.0) for _, found in explained]
        axes.step(times, adds, where="post", color=colour, label=NAMES.get(modality, modality))
        axes.fill_between(times, adds, step="post", color=colour, alpha=0.2)
    previous, named_s = "", -LABEL_GAP_S
    for percept, found in explained:
        at_s = (percept.at_ns - start_ns) / NS_PER_S
        if found.answer.text != previous and found.causes and at_s - named_s >= LABEL_GAP_S:
            axes.axvline(at_s, color="#cccccc", linewidth=0.8, zorder=0)
            axes.text(at_s, 1.01, found.answer.text, rotation=30, fontsize=8, transform=axes.get_xaxis_transform())
            previous, named_s = found.answer.text, at_s
    axes.axhline(0, color="#333333", linewidth=0.8)
    axes.set_xlabel("seconds")
    axes.set_ylabel("log-odds for the best answer")
    if modalities:
        axes.legend(loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110)
    plt.close(figure)
