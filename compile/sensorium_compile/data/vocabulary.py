"""WordPiece vocabularies from files."""

import json
from importlib import resources
from pathlib import Path

from sensorium.components.embedder import WordPiece
from sensorium.errors import BundleError
from sensorium_compile.errors import CompileError


def load_vocabulary(path: Path) -> tuple[str, ...]:
    """The tokens in the order of their ids, from ``vocab.txt`` (one a line) or a Hugging Face ``tokenizer.json``."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return tuple(text.removesuffix("\n").split("\n"))
        ids: dict[str, int] = json.loads(text)["model"]["vocab"]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as err:
        raise CompileError(f"{path} is no vocabulary ({err}); give a vocab.txt or tokenizer.json of WordPiece") from err
    if sorted(ids.values()) != list(range(len(ids))):
        raise CompileError(f"{path}: token ids are not 0 to {len(ids) - 1}, each once")
    return tuple(sorted(ids, key=ids.__getitem__))


def load_tokenizer(path: Path) -> WordPiece:
    """The tokenizer of that vocabulary; raises CompileError."""
    try:
        return WordPiece(load_vocabulary(path), max_tokens=512)
    except BundleError as err:
        raise CompileError(f"{path}: {err}") from err


def vocabulary_file(given: str) -> Path:
    """A vocabulary by its path, or by its name among the recipes that come with Sensorium: ``vqa/vocab.txt``.

    Raises CompileError where it is neither.
    """
    shipped = Path(str(resources.files("sensorium_compile"))) / "recipes" / given
    for path in (Path(given), shipped):
        if path.is_file():
            return path
    raise CompileError(f"no vocabulary {given}; give the path of a vocab.txt or tokenizer.json")
