"""How well a scene model names what it sees and hears, by texts that it was not made for.

sounds     which of ten phrases fits a clip of ESC-10: accuracy, one fold kept apart
pictures   photos of COCO sought by "a dog": mean average precision over the categories that occur
pairs      a photo and a clip of the same thing: which of six words fits, by either sense and by both

python -m sensorium_compile.scene.evaluate --data DIR [--bundle BUNDLE] [--teacher YAMNET_FOLDER] [--json FILE]
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.images import centre_crop
from sensorium.inputs import ImageInput, InputSpec, prepare_image, prepare_sound, to_batch
from sensorium.samples import Array
from sensorium_compile.data.examples import subsets
from sensorium_compile.data.readers.coco import photos
from sensorium_compile.data.readers.folders import find_folder
from sensorium_compile.errors import CompileError
from sensorium_compile.fit.sound_data import ESC10_PHRASES
from sensorium_compile.verify.gate import Scores, SubsetScores, figures
from sensorium_compile.verify.opened import OpenedModel
from sensorium_compile.verify.temperature import divided, halves
from sensorium_devices.images import read_image
from sensorium_devices.sound import read_audio

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

SCALE = 20.0  # a cosine's worth of log-odds among texts, before a temperature by subset divides it
FOLD = "4"  # of ESC-10, that no student was made with
COCO = ("coco256", "val2017")
PHOTOS, ONE_EACH = "photos/caltech101", "photos1k"


@dataclass(frozen=True, slots=True)
class Thing:
    """What can be seen and heard: a word, its folder of sounds, and where photos of it are."""

    text: str
    sounds: str
    folders: tuple[str, ...] = ()  # of Caltech 101
    names: tuple[str, ...] = ()  # of photos1k: endings of WNID_NAME


# Chosen before anything was measured: the classes of ESC-10 of which these sets have photos that show the source.
THINGS = (
    Thing("a dog", "dog_bark", ("dalmatian",), ("Labrador_retriever", "beagle", "boxer", "collie", "Pembroke", "pug")),
    Thing("a rooster", "rooster", ("rooster",), ("cock",)),
    Thing("a clock", "clock_tick", (), ("wall_clock", "digital_clock", "analog_clock", "stopwatch")),
    Thing("a chainsaw", "chainsaw", (), ("chain_saw",)),
    Thing("a helicopter", "helicopter", ("helicopter",)),
    Thing("the sea", "sea_waves", (), ("seashore", "sandbar", "breakwater", "promontory", "coral_reef")),
)
PAIRS = 40  # a thing, drawn without repeating where there are as many


@dataclass(frozen=True, slots=True, eq=False)
class Looker:
    """A scene model as it is measured: its graphs, what they take, and how much of a photo's middle it looks at."""

    model: OpenedModel
    inputs: Mapping[str, InputSpec]
    crop: float = 1.0

    def see(self, paths: Sequence[Path]) -> Array:
        """Tokens of photos."""
        spec = self.inputs["vision"]
        assert isinstance(spec, ImageInput)
        made = [self.model.encode("vision", to_batch(self._photo(path, spec)[None], spec)) for path in paths]
        return np.concatenate(made)

    def hear(self, paths: Sequence[Path]) -> Array:
        """Tokens of sounds."""
        spec = self.inputs["audio"]
        assert spec.kind == "sound"
        sounds = (prepare_sound(read_audio(path, spec.rate_hz)[0], spec) for path in paths)
        return np.concatenate([self.model.encode("audio", to_batch(sound[None], spec)) for sound in sounds])

    def place(self, tokens: Mapping[str, Array]) -> Array:
        """Unit vectors (n, dims) of what is given."""
        return next(iter(self.model.fuse(tokens, [name in tokens for name in self.model.modalities]).values()))

    def _photo(self, path: Path, spec: ImageInput) -> NDArray[np.uint8]:
        image = read_image(path)
        return prepare_image(image if self.crop == 1.0 else centre_crop(image, self.crop), spec)


def sounds(looker: Looker, embed: Embed, data: Path, fold: str = FOLD) -> SubsetScores:
    """Which of ESC-10's phrases fits best, on the clips of one fold."""
    files = _clips(data, fold)
    phrases = embed([ESC10_PHRASES[name] for name in files])
    labels = np.repeat(np.arange(len(files)), [len(paths) for paths in files.values()])
    places = looker.place({"audio": looker.hear([p for paths in files.values() for p in paths])})
    return SubsetScores.of_logits(SCALE * places @ phrases.T, labels)


def pictures(looker: Looker, embed: Embed, data: Path, names: Sequence[str], without: Path | None) -> SubsetScores:
    """The average precision of each category that occurs; photos that lie in ``without`` too are left out."""
    root, found = photos(data, COCO[0])
    trained = {path.name for path in without.iterdir()} if without is not None and without.is_dir() else set()
    kept = {n: p for n, p in found.items() if p.split == COCO[1] and f"{n}.jpg" not in trained and p.boxes}
    there = np.zeros((len(kept), len(names)), bool)
    for row, photo in enumerate(kept.values()):
        there[row, [int(box[0]) for box in photo.boxes]] = True
    places = looker.place({"vision": looker.see([root / COCO[1] / f"{name}.jpg" for name in kept])})
    scores = places @ embed([f"a {name}" for name in names]).T
    return SubsetScores.of_values(
        np.array([average_precision(scores[:, i], there[:, i]) for i in np.flatnonzero(there.any(0))])
    )


def pairs(looker: Looker, embed: Embed, data: Path, fold: str = FOLD, seed: int = 0) -> dict[str, SubsetScores]:
    """Which of the six things it is, by every subset of the senses."""
    rng = np.random.default_rng(seed)
    texts, clips = embed([thing.text for thing in THINGS]), _clips(data, fold)
    seen, heard, labels = [], [], []
    for label, thing in enumerate(THINGS):
        shown = _photos(data, thing)
        eyes, ears = looker.see(shown), looker.hear(clips[thing.sounds])
        every = np.array([(i, j) for i in range(len(eyes)) for j in range(len(ears))])
        chosen = every[rng.permutation(len(every))[:PAIRS]]
        seen.append(eyes[chosen[:, 0]])
        heard.append(ears[chosen[:, 1]])
        labels += [label] * len(chosen)
    tokens = {"vision": np.concatenate(seen), "audio": np.concatenate(heard)}
    scores = {}
    for subset, mask in subsets(looker.model.modalities).items():
        given = {name: tokens[name] for name, used in zip(looker.model.modalities, mask, strict=True) if used}
        scores[subset] = SubsetScores.of_logits(SCALE * looker.place(given) @ texts.T, np.array(labels))
    return scores


def average_precision(scores: Array, wanted: Array) -> float:
    """The mean of the precision at each thing found, by falling score."""
    hits = wanted[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def score_scene(
    looker: Looker, embed: Embed, data: Path, names: Sequence[str], without: Path | None = None, fold: str = FOLD
) -> dict[str, Scores]:
    """Every task's scores by subset of senses."""
    return {
        "sounds": {"audio": sounds(looker, embed, data, fold)},
        "pictures": {"vision": pictures(looker, embed, data, names, without)},
        "pairs": pairs(looker, embed, data, fold),
    }


def rows_of(tasks: Mapping[str, Scores]) -> dict[str, dict[str, dict[str, float]]]:
    """Task -> subset -> accuracy (of pictures: mean average precision), low, high, n.

    And the calibration error (ece) where a text is chosen, each half of the examples with the other's temperature.
    """
    told: dict[str, dict[str, dict[str, float]]] = {}
    for task, scores in tasks.items():
        rows = {subset: asdict(one) for subset, one in figures(divided(scores, halves(scores))).items()}
        told[task] = {
            s: {key: row[key] for key in ("accuracy", "low", "high", "n", "ece") if row[key] is not None}
            for s, row in rows.items()
        }
    return told


def _clips(data: Path, fold: str) -> dict[str, list[Path]]:
    """Clips of each class; ``fold`` "" is all of them."""
    some = next(iter(ESC10_PHRASES))
    folder = find_folder(data, "esc10", lambda f: (f / some).is_dir(), f"{some}/FOLD-*.flac")
    found = {name: sorted((folder / name).glob(f"{fold}-*.flac" if fold else "*.flac")) for name in ESC10_PHRASES}
    lacking = [name for name, files in found.items() if not files]
    if lacking:
        raise CompileError(f"{folder} lacks clips of fold {fold or 'any'} for {', '.join(lacking)}")
    return found


def _photos(data: Path, thing: Thing) -> list[Path]:
    found = [p for folder in thing.folders for p in sorted((data / PHOTOS / folder).glob("*.jpg"))]
    found += [p for name in thing.names for p in sorted((data / ONE_EACH).glob(f"n*_{name}.jpg"))]
    if not found:
        raise CompileError(f"no photo of {thing.text} in {data / PHOTOS} or {data / ONE_EACH}")
    return found


def main() -> None:
    """See the module."""
    from sensorium_compile.scene.command import lookers  # PyTorch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, help="the folder of yamnet.tflite and yamnet_class_map.csv")
    parser.add_argument("--checkpoint", type=Path, help="a student's folder")
    parser.add_argument("--bundle", type=Path, help="a compiled bundle")
    parser.add_argument("--fold", default=FOLD)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    embed, names, found = lookers(args.teacher, args.checkpoint, args.bundle)
    without = args.data / "photos" / "coco_ccby"
    told = {
        name: rows_of(score_scene(looker, embed, args.data, names, without, args.fold))
        for name, looker in found.items()
    }
    if args.json is not None:
        args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for form, tasks in told.items():
        for task, rows in tasks.items():
            for subset, row in rows.items():
                told_row = f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}] n={row['n']}"
                told_row += f" ECE {row['ece']:.3f}" if "ece" in row else ""
                print(f"{form:10} {task:9} {subset:13} {told_row}")  # noqa: T201


if __name__ == "__main__":
    main()
