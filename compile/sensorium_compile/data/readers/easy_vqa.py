"""easy-VQA (https://github.com/vzhou842/easy-VQA): pictures of shapes and questions on them.

The official layout: ``PART/images/{id}.png`` and ``PART/questions.json``, a list of [question, answer, image id].
With a picture spec the reader gives the pictures (no label), with a text spec the questions (label = answer); both
have the picture as group, so ``pair_by_group("text", pools)`` makes the triples.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sensorium.inputs import ImageInput, InputSpec, TextInput, prepare_text
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.folders import files_of, find_folder
from sensorium_compile.data.readers.options import Options
from sensorium_compile.data.readers.prepared import image_at, need_image, pool_of
from sensorium_compile.data.vocabulary import load_tokenizer, vocabulary_file
from sensorium_compile.errors import CompileError
from sensorium_devices.images import IMAGE_SUFFIXES

_LAYOUT = "images/0.png with questions.json beside images"


class EasyVqaOptions(BaseModel):
    """Which part, and the vocabulary for the questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = "easy_vqa"
    part: str = "train"  # or test
    vocabulary: str = ""  # a vocab.txt or tokenizer.json of WordPiece; only questions need it


class Question(NamedTuple):
    """A row of questions.json."""

    question: str
    answer: str
    image: int


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """Pictures or questions, by the kind of the spec; group = ``image{id}``."""
    chosen = options.parse(EasyVqaOptions)
    part = part_folder(folder, chosen.path, chosen.part)
    if isinstance(spec, TextInput):
        return _questions(part, spec, labels, options, chosen.vocabulary)
    return _pictures(part, need_image(spec, "easy_vqa"), options)


def part_folder(data: Path, path: str, part: str) -> Path:
    """``data/path/part``, ``data/path``, ``data/part``, or ``data`` itself; else the only part in there."""

    def looks_right(folder: Path) -> bool:
        return (folder / "questions.json").is_file() and (folder / "images").is_dir()

    inside = (f"{path}/{part}", path, part) if path else (part,)
    for candidate in inside:
        if looks_right(data / candidate):
            return data / candidate
    for base in (data / path, data):
        found = [sub for sub in base.iterdir() if sub.is_dir() and looks_right(sub)] if base.is_dir() else []
        if len(found) == 1 and not looks_right(base):
            return found[0]
    return find_folder(data, inside[0], looks_right, _LAYOUT)


def load_questions(part: Path) -> list[Question]:
    """questions.json, checked; raises CompileError."""
    path = part / "questions.json"
    try:
        rows = TypeAdapter(list[tuple[str, str, int]]).validate_json(path.read_bytes())
    except (ValidationError, json.JSONDecodeError, OSError) as err:
        raise CompileError(f"{path} is no list of [question, answer, image id]: {str(err).splitlines()[0]}") from err
    return [Question(*row) for row in rows]


def load_answers(data: Path, path: str = "easy_vqa") -> tuple[str, ...]:
    """The set's answers in the order of answers.txt."""
    folder = find_folder(data, path, lambda f: (f / "answers.txt").is_file(), "answers.txt beside the parts")
    return tuple((folder / "answers.txt").read_text(encoding="utf-8").split())


def _pictures(part: Path, spec: ImageInput, options: Options) -> Pool:
    paths = sorted(files_of(part / "images", IMAGE_SUFFIXES), key=lambda p: (len(p.stem), p.stem))  # by number
    files = [(path.name, -1, f"image{path.stem}") for path in paths]
    return pool_of(files, spec, lambda i: image_at(paths[i], spec), options.told, "pictures")


def _questions(part: Path, spec: TextInput, labels: Sequence[str], options: Options, vocabulary: str) -> Pool:
    tokenizer = load_tokenizer(vocabulary_file(vocabulary)) if vocabulary else None
    if tokenizer is None:
        raise CompileError("data vocabulary: questions need one; give the path of a vocab.txt or tokenizer.json")
    rows, files, texts = {label: i for i, label in enumerate(labels)}, [], []
    for number, question in enumerate(load_questions(part)):
        name = f"question{number}"
        if labels and question.answer not in rows:
            options.told.counts.add("label unknown", f"{name}: {question.answer}")
            continue
        files.append((name, rows.get(question.answer, -1), f"image{question.image}"))
        texts.append(question.question)
    made = {text: prepare_text(text, spec, tokenizer) for text in sorted(set(texts))}  # few differ
    return pool_of(files, spec, lambda i: [("", made[texts[i]])], options.told, "questions")
