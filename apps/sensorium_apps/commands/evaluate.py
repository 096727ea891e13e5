"""``sensorium evaluate``: how often a bundle's model is right, for every subset of senses."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sensorium_apps.failures import note
from sensorium_apps.progress import progress_bar

if TYPE_CHECKING:
    from sensorium.bundle import Bundle
    from sensorium_compile.verify.bundles import Evaluation
    from sensorium_compile.verify.gate import SubsetFigures


def evaluate(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder or .zip file, or the name of one compiled here.")],
    data: Annotated[Path, typer.Option("--data", help="A folder laid out like the training data.")],
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file; - is standard output.")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only groups (persons, speakers) that the recipe keeps from training.")
    ] = False,
    hard: Annotated[
        Path | None, typer.Option(help="A folder of recorded noise/ and RIRs/: also in noise, in the dark, covered.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="Which model, where the bundle has several.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Threads for each graph; 0 leaves it to the backend.")] = 1,
) -> None:
    """Measure a bundle's model: accuracy with a 95% interval for every subset of senses that the folder has.

    Examples:

      sensorium evaluate keypad --data recordings --json figures.json

      sensorium evaluate keypad --data training-data --held-out --hard noise_rir
    """
    from sensorium.bundle import Bundle
    from sensorium_apps.inspection import locate
    from sensorium_compile.verify.bundles import evaluate_bundle

    with Bundle(locate(bundle)) as opened, progress_bar("reading") as progress:
        found = evaluate_bundle(
            opened, data, part=part, held_out=held_out, scenery=hard, threads=threads, progress=progress
        )
        told = summary(opened, data, found)
    for sense, why in found.left_out.items():
        note(f"{sense} is left out: {why}")
    if json is not None:
        text = jsonlib.dumps(told, indent=1, ensure_ascii=False) + "\n"
        if str(json) == "-":
            typer.echo(text, nl=False)
            return
        json.write_text(text, encoding="utf-8")
    _print(told)


def summary(bundle: "Bundle", data: Path, found: "Evaluation") -> dict[str, Any]:
    """Everything that was measured, as JSON."""
    return {
        "bundle": str(bundle.path),
        "digest": bundle.digest,
        "name": bundle.manifest.name,
        "part": found.part,
        "data": str(data),
        "head": found.head,
        "subsets": {subset: _row(one) for subset, one in found.subsets.items()},
        "ece": {subset: one.ece for subset, one in found.subsets.items() if one.ece is not None},
        "contributions": dict(found.contributions),
        "not_measured": list(found.not_measured),
        "left_out": dict(found.left_out),
        "samples": dict(found.samples),
        "hard": {cell: _row(one) for cell, one in found.hard.items()},
    }


def _row(one: "SubsetFigures") -> dict[str, float]:
    return {key: value for key, value in asdict(one).items() if key in ("accuracy", "low", "high", "n")}


def _print(told: dict[str, Any]) -> None:
    from sensorium_apps.tables import console, share, table

    made = table("senses", told["head"], "n", "calibration error", right=(2, 3))
    for subset, row in told["subsets"].items():
        made.add_row(subset, share(row), str(row["n"]), f"{told['ece'][subset]:.3f}" if subset in told["ece"] else "")
    out = console()
    out.print(made)
    if told["hard"]:
        out.print()
        out.print(_hard(told["hard"]))


def _hard(cells: dict[str, Any]) -> Any:
    """The hard protocol: conditions down, which senses are there across."""
    from sensorium_apps.tables import table

    made = table("sound", "picture", "vision", "audio", "both", "either", "independent", right=(2, 3, 4, 5, 6))
    pairs = dict.fromkeys(tuple(cell.split("/")[:2]) for cell in cells if not cell.endswith(("/vision", "/audio")))
    for audio, vision in pairs:
        names = [f"absent/{vision}/vision", f"{audio}/absent/audio"]
        names += [f"{audio}/{vision}/{there}" for there in ("both", "either", "independent")]
        made.add_row(audio, vision, *(f"{cells[name]['accuracy']:.1%}" if name in cells else "·" for name in names))
    return made
