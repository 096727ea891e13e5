"""Run by torchrun in test_train: distil among the processes by both strategies, and save what came out in float32."""

import sys
from pathlib import Path

import numpy as np
import torch
from tests.compile.tiny_recipe import distilled, recipe

from sensorium_compile.data.load import load_data
from sensorium_compile.train.loop import Run
from sensorium_compile.train.parallel import Strategy, World, world
from sensorium_compile.train.run import train_teacher
from sensorium_compile.zoo import Weights

STRATEGIES: tuple[Strategy, ...] = ("ddp", "fsdp")


def main(data: Path, out: Path) -> None:
    torch.set_num_threads(1)
    tiny = recipe()
    loaded = load_data(tiny, data)
    teacher = train_teacher(tiny, loaded, Weights(), Run("", out / "teacher", World()))  # each its own, the same
    with world() as here:
        for strategy in STRATEGIES:
            student = distilled(tiny, loaded, teacher, Run("student", out / strategy, here, strategy))
            if here.first:
                np.savez(out / f"{strategy}.npz", **{n: v.numpy() for n, v in student.state_dict().items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
