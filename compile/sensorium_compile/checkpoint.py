"""What a trained student travels as: weights (safetensors), and the record of how it came about.

NAME/student.safetensors   the weights: 8 bits and a scale a row where they were learned so, else half precision
NAME/record.json           recipe, seed, figures on data that it never saw, tools, licences
NAME/calibration.json      ranges of activations (no samples), so that it is quantized the same without the data
NAME/variant-*             the same of variants with narrower towers
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sensorium.errors import first_fault
from sensorium_compile.errors import CompileError
from sensorium_compile.stages import package_paths

REPOSITORY = Path(__file__).resolve().parents[1]  # its folder compile/, which holds checkpoints/
MOST_BYTES = 8_000_000  # of one file in a repository

WEIGHTS, RECORD, CALIBRATION = "student.safetensors", "record.json", "calibration.json"
SCALE, LEVELS, TINY = ".scale", 127, 1e-12  # of weights in 8 bits: symmetric, as in int8 graphs
OFF_GRID = 0.15  # of a step, that weights may lie beside the grid which they were learned on: what halves leave of it
MATRIX = 4096  # values; smaller tensors are kept in halves
AUGMENTED = "augmented.json"  # MODALITY.STEP -> samples changed or left out in training; goes into the record


class Row(BaseModel):
    """Accuracy of one subset of senses, with its 95% interval over n examples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: float
    low: float
    high: float
    n: int


class FormRecord(BaseModel):
    """A lowered form, known by the hash of its graphs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    subsets: dict[str, Row]


class Record(BaseModel):
    """What was measured when the student was trained, and on what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str  # its TOML, to the letter
    tools: dict[str, str]
    data: dict[str, Any]  # what was read, cleaned and kept apart, in numbers
    subsets: dict[str, dict[str, Row]]  # teacher, student -> subset
    temperature: dict[str, float] = {}  # subset -> what makes its probabilities honest
    forms: dict[str, FormRecord] = {}  # key of a candidate -> its figures, which hold for those very bytes
    hard: dict[str, dict[str, Row]] = {}  # teacher, student -> cell of the hard protocol
    notes: tuple[str, ...] = ()


def shipped(name: str, plugins: tuple[str, ...] = ()) -> Path | None:
    """The folder of the checkpoint under that recipe's name: of the repository, or of a plugin that is a package.

    None where there is none, as in an installed wheel, which leaves the repository's out: the runtime stays small.
    """
    for folder in (REPOSITORY, *package_paths(plugins)):
        if (folder / "checkpoints" / name / WEIGHTS).is_file():
            return folder / "checkpoints" / name
    return None


def read_record(folder: Path) -> Record:
    """The record of a checkpoint; raises CompileError when it is missing or is none."""
    path = folder / RECORD
    if not path.is_file():
        raise CompileError(f"no {RECORD} in {folder}; train it again: sensorium compile NAME --retrain --data DIR")
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as err:
        raise CompileError(f"{path}: {first_fault(err, 'record')}") from err


def digest(folder: Path) -> str:
    """One hash over all that a checkpoint holds."""
    total = hashlib.sha256()
    ranges = sorted(folder.glob(f"*.{CALIBRATION}"))
    for path in (*all_weights(folder), folder / RECORD, folder / CALIBRATION, *ranges):
        total.update(path.read_bytes() if path.is_file() else b"-")
    return total.hexdigest()


def save_checkpoint(out: Path, trained: Path, record: Record, calibrations: Mapping[str, str]) -> None:
    """Lay a trained student, its variants, its record and the ranges (file -> JSON) out as they ship."""
    out.mkdir(parents=True, exist_ok=True)
    for path in all_weights(trained):
        (out / path.name).write_bytes(path.read_bytes())
    (out / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for name, calibration in calibrations.items():
        (out / name).write_text(calibration, encoding="utf-8")


def variant_file(name: str) -> str:
    """The weights of a variant that was trained."""
    return f"variant-{name}{Path(WEIGHTS).suffix}"


def variant_ranges(name: str) -> str:
    """The ranges of its activations."""
    return f"variant-{name}.{CALIBRATION}"


def all_weights(folder: Path) -> list[Path]:
    """The student's files, then its variants'."""
    return [*weight_files(folder / WEIGHTS), *sorted(folder.glob(variant_file("*")))]


def weight_files(path: Path) -> list[Path]:
    """The file of that name, and those of encoders that were too large for it: ``student.audio.safetensors``."""
    return [path, *sorted(path.parent.glob(f"{path.stem}.*{path.suffix}"))]


def save_weights(model: Any, path: Path, *, small: bool = False) -> None:
    """Write a module's weights, and round the module to what was written; see ``round_weights``.

    What exceeds MOST_BYTES is parted: each encoder has a file of its own then, see ``weight_files``.
    """
    from safetensors.torch import save_file

    stored = round_weights(model, small=small)
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in weight_files(path)[1:]:
        old.unlink()
    rest = dict(stored)
    if sum(v.numel() * v.element_size() for v in stored.values()) > MOST_BYTES:
        for encoder in getattr(model, "encoders", {}):
            own = {n: rest.pop(n) for n in list(rest) if n.startswith(f"encoders.{encoder}.")}
            save_file(own, str(path.with_suffix(f".{encoder}{path.suffix}")))
    save_file(rest, str(path))


def round_weights(model: Any, *, small: bool = False) -> dict[str, Any]:
    """Round a module's weights to what is written of them, which is given back by name.

    ``small``: where halves of them would exceed MOST_BYTES, its matrices are rounded to 8 bits and a scale a row.
    """
    stored: dict[str, Any] = {}
    tight = small and 2 * sum(v.numel() for v in model.state_dict().values()) > MOST_BYTES
    for name, values in model.state_dict().items():
        values = values.detach().clone().contiguous()
        rows = in_8_bits(values) if values.is_floating_point() and values.ndim > 1 else None
        matrix = tight and values.numel() >= MATRIX
        if rows is not None and (matrix or bool(((rows[0] * rows[1] - values).abs() <= OFF_GRID * rows[1]).all())):
            stored |= {name: rows[0], name + SCALE: rows[1]}
        else:
            stored[name] = values.half() if values.is_floating_point() else values
    model.load_state_dict(restored(stored))
    return stored


def in_8_bits(values: Any) -> tuple[Any, Any]:
    """Weights (out, ...) as int8 of the same shape, and scales (out, 1, ...): the largest of each row is 127."""
    import torch

    scale = values.abs().amax(tuple(range(1, values.ndim)), keepdim=True).div(LEVELS).clamp_min(TINY)
    return (values / scale).round().to(torch.int8), scale


def restored(stored: dict[str, Any]) -> dict[str, Any]:
    """Weights in float32 from what was written; raises CompileError where a scale is not of its weights."""
    made = {}
    for name, values in stored.items():
        scale = stored.get(name + SCALE)
        if scale is not None:
            wanted = (*values.shape[:1], *[1] * (values.ndim - 1))  # a scale a row
            if tuple(scale.shape) != wanted:
                raise CompileError(f"{name + SCALE} has shape {tuple(scale.shape)}; expected {wanted}; copy it again")
            made[name] = values.float() * scale
        elif not (name.endswith(SCALE) and name.removesuffix(SCALE) in stored):  # a module may call its own tensor so
            made[name] = values.float() if values.is_floating_point() else values
    return made


def load_weights(model: Any, path: Path) -> None:
    """Load weights into a module whose layers may be wider than what was pruned.

    Raises CompileError: no such file, damaged, another architecture, or a value that is NaN.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from sensorium_compile.model.contract import check_finite
    from sensorium_compile.train.shapes import load_pruned

    if not path.is_file():
        raise CompileError(f"no checkpoint {path}")
    state: dict[str, Any] = {}
    for file in weight_files(path):
        try:
            state |= load_file(str(file))
        except SafetensorError as err:
            raise CompileError(f"{file} is damaged: {err}; copy it again") from err
    load_pruned(model, restored(state))
    model.eval()
    check_finite(model)
