"""The scene's figures: what is counted, on which files, and what is said where they are missing."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

pytest.importorskip("torch")

from tests.compile.test_scene import SMALL

from sensorium_compile.errors import CompileError
from sensorium_compile.fit.sound_data import ESC10_PHRASES
from sensorium_compile.scene.evaluate import FOLD, THINGS, Looker, rows_of, score_scene
from sensorium_compile.scene.model import build_scene
from sensorium_compile.verify.eager import open_eager

NAMES = ("person", "dog", "cat")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like the real one, of noise."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name in ESC10_PHRASES:
        folder = root / "esc10" / name
        folder.mkdir(parents=True)
        for fold in ("1", FOLD):
            soundfile.write(folder / f"{fold}-1-A.flac", rng.normal(0, 0.1, 16_000), 16_000)
    for thing in THINGS:
        for folder in (f"photos/caltech101/{thing.folders[0]}",) if thing.folders else ():
            _photo(root / folder / "image_0001.jpg", rng)
        for name in thing.names[:1]:
            _photo(root / "photos1k" / f"n00000000_{name}.jpg", rng)
    labels = {}
    for number, box in enumerate((0, 1, 1, 2)):
        _photo(root / f"coco256/val2017/{number}.jpg", rng)
        labels[str(number)] = {"split": "val2017", "boxes": [[box, 0.5, 0.5, 0.2, 0.2]]}
    (root / "coco256/labels.json").write_text(json.dumps(labels))
    return root


def _photo(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(path)


def _embed(texts: Sequence[str]) -> np.ndarray:
    rows = [np.random.default_rng(len(text)).normal(size=384) for text in texts]
    return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


def _looker() -> Looker:
    return Looker(open_eager(build_scene(SMALL), SMALL.inputs), SMALL.inputs)


def test_every_task_tells_every_subset_with_its_interval(data: Path):
    told = rows_of(score_scene(_looker(), _embed, data, NAMES))
    assert {task: list(rows) for task, rows in told.items()} == {
        "sounds": ["audio"],
        "pictures": ["vision"],
        "pairs": ["vision", "audio", "vision+audio"],
    }
    assert told["sounds"]["audio"]["n"] == len(ESC10_PHRASES)
    assert told["pictures"]["vision"]["n"] == len(NAMES)
    for rows in told.values():
        assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in rows.values())


def test_a_photo_that_trained_is_not_measured_on(data: Path, tmp_path: Path):
    (tmp_path / "3.jpg").write_bytes(b"")
    told = rows_of(score_scene(_looker(), _embed, data, NAMES, without=tmp_path))
    assert told["pictures"]["vision"]["n"] == 2


def test_a_fold_that_is_not_there_says_which(data: Path):
    with pytest.raises(CompileError, match="fold 9"):
        score_scene(_looker(), _embed, data, NAMES, fold="9")
