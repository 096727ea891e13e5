"""Measures teacher, student and shipped form side by side, and writes the student's record.

python -m sensorium_compile.scene.record --data DIR --teacher YAMNET_FOLDER --checkpoint FOLDER
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from sensorium.backends import Graph
from sensorium.learned.config import SAMPLE
from sensorium.samples import Array
from sensorium_compile.checkpoint import CALIBRATION, RECORD, Record, Row
from sensorium_compile.lower import Calibration, lower
from sensorium_compile.lower.candidates import Candidate
from sensorium_compile.pack import entry_of
from sensorium_compile.parts.scene import exportables, lowered
from sensorium_compile.scene.checkpoint import load_scene
from sensorium_compile.scene.command import lookers, teacher_of
from sensorium_compile.scene.evaluate import FOLD, Looker, rows_of, score_scene
from sensorium_compile.scene.model import STUDENT, TEACHER, ScenePlan, example_samples
from sensorium_compile.stages import tool_versions
from sensorium_compile.verify import temperature
from sensorium_compile.verify.measure import measure_graphs
from sensorium_compile.verify.opened import OpenedModel

# What each subset of senses is judged by: task, subset of the task.
JUDGED = {"vision": ("pictures", "vision"), "audio": ("sounds", "audio"), "vision+audio": ("pairs", "vision+audio")}
NOTES = (
    "vision: mean average precision over COCO's categories that occur in its val2017 photos, none of which trained",
    f"audio: zero-shot accuracy on fold {FOLD} of ESC-10, of which nothing trained",
    "vision+audio: accuracy on pairs of a photo and a sound of the same thing, six things",
    "start: EfficientNet-Lite0 (Apache-2.0), its classifier factorised; YAMNet (Apache-2.0), factorised and distilled",
    "sounds without labels: ESC-10 folds but that one (CC BY 3.0, Karol J. Piczak); FSDD (CC BY-SA 4.0, Z. Jackson)",
    "ranges for int8: GroceryStoreDataset (MIT), clothing-dataset-small (CC0), TensorFlow flowers and COCO (CC BY 2.0)",
)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    args = parser.parse_args()
    embed, names, forms = lookers(args.teacher, args.checkpoint, None)
    shipped, teacher = opened(args.checkpoint), opened_teacher(args.teacher)
    forms["shipped"] = Looker(shipped, STUDENT.inputs)
    without = args.data / "photos" / "coco_ccby"
    scores = {name: score_scene(looker, embed, args.data, names, without) for name, looker in forms.items()}
    tasks = {name: rows_of(told) for name, told in scores.items()}
    told = costs(teacher, shipped)
    subsets = {name: {s: _row(rows[t][r]) for s, (t, r) in JUDGED.items()} for name, rows in tasks.items()}
    record = Record(
        recipe=Path(__file__).with_name("model.py").read_text(encoding="utf-8"),
        tools={name: str(version) for name, version in tool_versions().items()},
        data={"tasks": tasks, "costs": told},
        subsets=subsets,
        temperature=temperature.shipped(scores["shipped"]["pairs"]),
        notes=NOTES,
    )
    (args.checkpoint / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(record.model_dump_json(indent=1, include={"data"}))  # noqa: T201


def _row(told: Mapping[str, float]) -> Row:
    return Row.model_validate({key: value for key, value in told.items() if key in Row.model_fields})


def opened(checkpoint: Path) -> OpenedModel:
    """The student as it ships."""
    calibration = Calibration.from_json((checkpoint / CALIBRATION).read_text(encoding="utf-8"))
    return Candidate("mixed", "mixed", lowered(load_scene(checkpoint), STUDENT, calibration), {}).open()


def opened_teacher(yamnet: Path) -> OpenedModel:
    """The teachers in float, as ONNX Runtime runs them."""
    graphs = exportables(teacher_of(yamnet), TEACHER)
    drafts = {name: lower("onnxruntime", graph, "float32", Calibration()) for name, graph in graphs.items()}
    return OpenedModel.open({name: (entry_of(name, draft), draft.model) for name, draft in drafts.items()})


def costs(teacher: OpenedModel, shipped: OpenedModel) -> dict[str, float]:
    """Bytes, and milliseconds of one thread, measured in turn; and the ratios that count."""
    runs = {**_runs("teacher", teacher, TEACHER), **_runs("shipped", shipped, STUDENT)}
    ms = {name: latency.median_ms for name, latency in measure_graphs(runs).items()}
    told = {f"{name} ms": value for name, value in ms.items()}
    told |= {"teacher bytes": float(teacher.size_bytes), "shipped bytes": float(shipped.size_bytes)}
    told["size_ratio"] = shipped.size_bytes / teacher.size_bytes
    for sense in ("vision", "audio"):
        told[f"speedup {sense}"] = ms[f"teacher {sense}"] / ms[f"shipped {sense}"]
    both = [sum(v for n, v in ms.items() if n.startswith(form)) for form in ("teacher", "shipped")]
    return told | {"speedup_vs_teacher_ort_fp32": both[0] / both[1]}


def _runs(name: str, model: OpenedModel, plan: ScenePlan) -> dict[str, tuple[Graph, Mapping[str, Array]]]:
    samples = {sense: sample.numpy() for sense, sample in example_samples(plan).items()}
    return {f"{name} {sense}": (graph, {SAMPLE: samples[sense]}) for sense, graph in model.encoders.items()}


if __name__ == "__main__":
    main()
