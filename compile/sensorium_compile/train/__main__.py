"""Teach and distil a recipe, alone or under torchrun:

python -m sensorium_compile.train keypad --data DIR --out FOLDER
torchrun --nproc-per-node 2 -m sensorium_compile.train keypad --data DIR --out FOLDER
"""

import argparse
from pathlib import Path

from sensorium_compile.checkpoint import load_weights
from sensorium_compile.data.load import load_data
from sensorium_compile.errors import CompileError
from sensorium_compile.model.build import build_model
from sensorium_compile.recipe import ModelRecipe, load_recipe
from sensorium_compile.train.loop import Run
from sensorium_compile.train.parallel import world
from sensorium_compile.train.run import train_student, train_teacher
from sensorium_compile.zoo import Weights


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--strategy", choices=("ddp", "fsdp"), default="ddp")
    args = parser.parse_args()
    recipe = load_recipe(args.recipe)
    if not isinstance(recipe, ModelRecipe):
        raise CompileError(f"recipe {args.recipe} has nothing to train: it is made of ready parts")
    with world() as here:
        run = Run("", args.out, here, args.strategy, _tell if here.first else lambda *_: None)
        data, weights = load_data(recipe, args.data), Weights()
        saved = args.out / "teacher.safetensors"
        if saved.is_file():
            teacher = build_model(recipe, recipe.teacher, None)
            load_weights(teacher, saved)
        else:
            teacher = train_teacher(recipe, data, weights, run)
        train_student(recipe, data, weights, teacher, run)


def _tell(what: str, done: int, total: int) -> None:
    if done % 20 == 0 or done == total:
        print(f"{what}: {done} of {total}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
