"""``python -m sensorium_compile.peers RECIPE --data DIR``, which scripts/compare-quantizers calls."""

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sensorium_compile import checkpoint
from sensorium_compile.bench import Bench, config_of
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Feeds
from sensorium_compile.lower.candidates import Lowering
from sensorium_compile.material import Material, find_material
from sensorium_compile.outcome import processor
from sensorium_compile.peers.compare import PEERS, compare
from sensorium_compile.peers.export import GRAPHS, export, feeds_of, run_peer
from sensorium_compile.peers.table import Row, table, verdicts
from sensorium_compile.recipe import ModelRecipe, import_plugins, load_recipe
from sensorium_compile.stages import Stages, tool_versions
from sensorium_compile.verify.measure import ROUNDS
from sensorium_compile.zoo import Weights


def main() -> None:
    """Export, let every peer quantize, measure."""
    asked = _arguments()
    torch.set_num_threads(1)
    try:
        material, stages = _material(asked)
        feeds = feeds_of(material)
        lowering = Lowering(material.exportables(), _digest(material, feeds), Calibration(feeds), stages)
        export(lowering, feeds, asked.out / GRAPHS)
        for peer in PEERS:
            _progress(f"{peer} quantizes", 0, 1)
            run_peer(peer, asked.environments, asked.scripts, asked.out)
        _measure(asked, material, lowering)
    except CompileError as err:
        sys.exit(f"compare-quantizers: {err}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare-quantizers")
    parser.add_argument("recipe", help="its name, or a .toml file")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the recipe's data")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint's folder instead of the one that ships")
    parser.add_argument("--out", type=Path, default=Path("quantizers"), help="where graphs and figures go")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of timing every form in turn")
    parser.add_argument("--backend", action="append", default=[], help="ours only on these; default: all installed")
    parser.add_argument("--environments", type=Path, required=True, help="a Python environment for each peer")
    parser.add_argument("--scripts", type=Path, required=True, help="the folder of the peers' scripts")
    return parser.parse_args()


def _material(asked: argparse.Namespace) -> tuple[Material, Stages]:
    recipe = load_recipe(asked.recipe)
    if not isinstance(recipe, ModelRecipe):
        raise CompileError(f"recipe {asked.recipe} is made of ready parts; there is no student to quantize")
    import_plugins(recipe.plugins)
    stages = Stages(asked.out / "stages", recipe.plugins)
    material = find_material(
        recipe, asked.data, asked.checkpoint, retrain=False, weights=Weights(), stages=stages, progress=_progress
    )
    return material, stages


def _digest(material: Material, feeds: Mapping[str, Sequence[Feeds]]) -> str:
    """Of the student and of what it is calibrated with."""
    total = hashlib.sha256(checkpoint.digest(material.folder).encode())
    for own in feeds.values():
        for feed in own:
            for array in feed.values():
                total.update(array.tobytes())
    return total.hexdigest()


def _measure(asked: argparse.Namespace, material: Material, lowering: Lowering) -> None:
    bench = Bench(material.recipe, config_of(material.recipe, material), replace(material, data=None), lowering)
    bench.material = material  # not from the start: it would score PyTorch's student and teacher, which no row needs
    rows, versions = compare(bench, asked.out, asked.rounds, _progress, tuple(asked.backend))
    told = {
        "recipe": material.recipe.name,
        "student": checkpoint.digest(material.folder),
        "machine": f"{processor()}, {os.cpu_count()} cores, one thread a form; Python {platform.python_version()}",
        "rounds": asked.rounds,
        "ours": tool_versions(),
        "peers": versions,
        "verdicts": verdicts(rows),
        "rows": [row.model_dump() for row in rows],
    }
    (asked.out / "result.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (asked.out / "result.md").write_text(_page(told, rows, asked), encoding="utf-8")
    sys.stdout.write("\n".join(verdicts(rows)) + f"\nfigures: {asked.out / 'result.md'}\n")


def _page(told: dict[str, object], rows: list[Row], asked: argparse.Namespace) -> str:
    versions = told["peers"]
    assert isinstance(versions, dict)
    peers = "; ".join(", ".join(f"{n} {v}" for n, v in own.items()) for own in versions.values() if own)
    counts = next((row.n for row in rows if row.n), {})
    return "\n".join(
        [
            "# Quantizers side by side",
            "",
            f"`scripts/compare-quantizers {asked.recipe} --data DIR`: the student of {told['recipe']} "
            f"({str(told['student'])[:12]}), quantized from the same float graphs with the same calibration feeds, "
            f"timed in turn in one run of {told['rounds']} rounds.",
            "",
            f"Machine: {told['machine']}.",
            "",
            f"Peers, each in an environment of its own: {peers}.",
            "",
            "Accuracy is on persons and speakers held out of training: "
            + ", ".join(f"{subset} {n}" for subset, n in counts.items())
            + " distinct examples. ms is the median of one answer with every sense, encoders and fusion. "
            "`onnxruntime float32` is everyone's: whoever quantizes may leave it at that. "
            "`front` is that of one's own side: ours, or the peers'.",
            "",
            *(f"- {sentence}" for sentence in verdicts(rows)),
            "",
            table(rows),
            "",
        ]
    )


def _progress(what: str, done: int, total: int) -> None:
    if done == 0 or done == total:
        sys.stderr.write(f"{what} {done}/{total}\n")


if __name__ == "__main__":
    main()
