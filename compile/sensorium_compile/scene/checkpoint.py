"""The scene student as it travels: large matrices in 8 bits with a scale for each row, all else in half precision.

That is the precision which its int8 graphs have, so nothing is lost twice, and the file is half as large as in halves.
"""

from pathlib import Path

from torch import Tensor

from sensorium_compile.checkpoint import SCALE, WEIGHTS, in_8_bits, restored
from sensorium_compile.errors import CompileError
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.contract import check_finite
from sensorium_compile.scene.model import STUDENT, ScenePlan, build_scene

LARGE = 4096  # values; smaller tensors are kept in halves


def save_scene(model: MultimodalModel, folder: Path) -> None:
    """Write the weights, and round the model to what was written."""
    from safetensors.torch import save_file

    stored: dict[str, Tensor] = {}
    for name, values in model.state_dict().items():
        if not values.is_floating_point():
            stored[name] = values
        elif values.ndim < 2 or values.numel() < LARGE:
            stored[name] = values.half()
        else:
            stored[name], stored[name + SCALE] = in_8_bits(values)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(stored, str(folder / WEIGHTS))
    model.load_state_dict(restored(stored))


def load_scene(folder: Path, plan: ScenePlan = STUDENT) -> MultimodalModel:
    """The student of a folder; raises CompileError: no such file, damaged, another plan's, or a value that is NaN."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():
        raise CompileError(f"no checkpoint {path}")
    model = build_scene(plan)
    try:
        model.load_state_dict(restored(load_file(str(path))))
    except SafetensorError as err:
        raise CompileError(f"{path} is damaged: {err}; copy it again") from err
    except RuntimeError as err:
        raise CompileError(f"{path} is not of this scene model: {str(err).splitlines()[-1].strip()}") from err
    check_finite(model)
    return model.eval()
