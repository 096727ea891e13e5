"""Lowering backend by backend in processes side by side: exporters take minutes, and one process can run only one."""

import gc
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from sensorium.errors import SensoriumError
from sensorium_compile.lower import Calibration, missing, precisions
from sensorium_compile.recipe import ModelRecipe, Progress, parse_recipe
from sensorium_compile.stages import Stages

PROCESSES = 2
SLOWEST_FIRST = ("executorch", "litert")  # minutes and tens of seconds; the others take seconds
APART = {"executorch": ("int8-static",)}  # half of what that backend takes: a job of its own, or one core waits for it


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker needs to lower the student of a checkpoint to one backend."""

    text: str  # the recipe's TOML
    where: str
    folder: Path  # of the checkpoint
    digest: str
    calibration: Calibration
    root: Path  # of the stages
    backend: str = ""
    precisions: tuple[str, ...] = ()


def lower_apart(order: Order, chosen: Sequence[str], progress: Progress) -> None:
    """Fill the stages of ``order`` for these backends; ranges that were computed join ``order.calibration``.

    What cannot be lowered is left out here; who then asks for it is told why.
    """
    wanted = sorted((b for b in chosen if missing(b) is None), key=_rank)
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        jobs = [
            pool.submit(_work, replace(order, backend=backend, precisions=some))
            for backend in wanted
            for some in _shares(backend)
        ]
        try:
            for done, job in enumerate(as_completed(jobs)):
                order.calibration.absorb(job.result())
                progress("lowering", done + 1, len(jobs))
        except BaseException:
            for process in list((pool._processes or {}).values()):  # Ctrl-C does not wait for an exporter
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work(order: Order) -> str:
    import torch

    from sensorium_compile.checkpoint import WEIGHTS, load_weights
    from sensorium_compile.lower.candidates import Lowering
    from sensorium_compile.material import exportables
    from sensorium_compile.model.build import build_model

    torch.set_num_threads(1)
    gc.disable()  # exporters make millions of objects that point at each other: a fifth of their time went there
    recipe = parse_recipe(order.text, order.where)
    assert isinstance(recipe, ModelRecipe)
    student = build_model(recipe, recipe.student, None)
    load_weights(student, order.folder / WEIGHTS)
    stages = Stages(order.root, recipe.plugins)
    lowering = Lowering(exportables(student, recipe), order.digest, order.calibration, stages)
    for precision in order.precisions:
        try:
            lowering.whole(order.backend, precision)
        except SensoriumError:
            continue
        gc.collect()
    return order.calibration.to_json()


def _shares(backend: str) -> list[tuple[str, ...]]:
    """Its precisions, in as many jobs as it is worth."""
    apart = APART.get(backend, ())
    rest = tuple(precision for precision in precisions(backend) if precision not in apart)
    return [share for share in (rest, apart) if share]


def _rank(backend: str) -> tuple[int, str]:
    return (SLOWEST_FIRST.index(backend) if backend in SLOWEST_FIRST else len(SLOWEST_FIRST), backend)
