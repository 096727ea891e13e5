"""The loop: draw, loss, step, average, save; the same on one process and on many, and after it was stopped."""

import copy
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.train.options import TrainingOptions
from sensorium_compile.train.parallel import ALONE, Step, Strategy, World, spread, whole_state

Progress: TypeAlias = Callable[[str, int, int], None]
SAVE_S = 20.0  # between two saves: what a stop can cost
CLIP = 1.0  # of the gradient's norm


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples by modality (batch, ...), which are there (batch, modalities), and labels (batch,)."""

    samples: dict[str, Tensor]
    presence: Tensor
    labels: Tensor

    def share(self, part: slice) -> "Batch":
        """Only these examples."""
        return Batch({m: s[part] for m, s in self.samples.items()}, self.presence[part], self.labels[part])


Draw: TypeAlias = Callable[[np.random.Generator, int], Batch]  # a random generator and a size -> a batch
Loss: TypeAlias = Callable[[nn.ModuleDict, Batch], Tensor]


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training runs: among which processes, in which folder, telling whom."""

    name: str
    folder: Path
    here: World = ALONE
    strategy: Strategy = "ddp"
    progress: Progress = lambda *_: None
    counts: Counter[str] = field(default_factory=Counter)  # what ``draw`` did to samples, e.g. "vision.blur"


def train(learned: nn.ModuleDict, draw: Draw, loss_of: Loss, options: TrainingOptions, run: Run) -> dict[str, float]:
    """Train in place; returns the loss at the end. Goes on where a stopped run of the same folder was saved.

    Step ``i`` draws its batch from the seed (seed, i), so that a resumed run sees what an unbroken one would.
    Raises CompileError when the loss is not finite.
    """
    parted = run.here.size > 1 and run.strategy == "fsdp"
    # Convolutions take half as long again without channels_last, which FSDP cannot part.
    layout = torch.contiguous_format if parted else torch.channels_last
    given = learned.to(memory_format=layout)  # type: ignore[call-overload]
    learned = copy.deepcopy(given) if parted else given  # FSDP leaves its hooks in the modules
    step = Step(learned)
    _mode(learned, options)
    _freeze(learned["model"], options)
    learned.zero_grad(set_to_none=True)  # an earlier training's of what is frozen now would count in the norm
    wrapped = spread(step, run.here, run.strategy)
    optimizer = torch.optim.AdamW(_groups(learned, options), weight_decay=options.weight_decay, foreach=True)
    average = _Average(learned, options.average)
    kept = _Kept(run.folder / f"{run.name}.progress.pt", learned, optimizer, average, run.counts)
    done = 0 if parted else kept.load()
    loss_value = math.nan
    try:
        for index in range(done, options.steps):
            _set_rate(optimizer, options, index)
            torch.manual_seed(options.seed * 1_000_003 + index)  # dropout
            batch = draw(np.random.default_rng([options.seed, index]), options.batch)
            loss = wrapped(loss_of, batch.share(run.here.share(options.batch)))
            loss_value = float(loss.detach())
            if not math.isfinite(loss_value):
                raise CompileError(f"{run.name}: the loss is {loss_value} at step {index}; lower the learning_rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned.parameters(), CLIP)
            optimizer.step()
            average.step(index)
            done = index + 1
            run.progress(f"{run.name} (loss {loss_value:.3f})", done, options.steps)
            if run.here.first and not parted and kept.due():
                kept.save(done)
    except KeyboardInterrupt:
        if run.here.first and not parted:
            kept.save(done)
        raise
    average.apply()
    if parted:
        given.load_state_dict(whole_state(learned))
    given.eval()
    if run.here.first:
        kept.forget()
    return {"loss": loss_value}


def _mode(learned: nn.ModuleDict, options: TrainingOptions) -> None:
    learned.train()
    if options.freeze_norm:
        for module in learned.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eval()


def _freeze(model: nn.Module, options: TrainingOptions) -> None:
    for path in options.freeze:
        try:
            model.get_submodule(path).requires_grad_(False)
        except AttributeError as err:
            known = ", ".join(name for name, _ in model.named_modules() if name.count(".") == 2)
            raise CompileError(f"training.freeze: no module {path!r}; known: {known}") from err


def _groups(learned: nn.ModuleDict, options: TrainingOptions) -> list[dict[str, Any]]:
    """Pretrained parameters go slower; biases, norms and tokens are not decayed."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    pretrained = {id(p) for m in learned.modules() if getattr(m, "pretrained", False) for p in m.parameters()}
    for parameter in learned.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in pretrained, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "scale": options.pretrained_rate if slow else 1.0,
            "weight_decay": options.weight_decay if decayed else 0.0,
        }
        for (slow, decayed), parameters in groups.items()
    ]


def _set_rate(optimizer: torch.optim.Optimizer, options: TrainingOptions, index: int) -> None:
    warm = max(1, round(options.warm_up * options.steps))
    share = (
        (index + 1) / warm if index < warm else (1 + math.cos(math.pi * (index - warm) / (options.steps - warm))) / 2
    )
    for group in optimizer.param_groups:
        group["lr"] = options.learning_rate * group["scale"] * share


class _Average:
    """An exponential average of the weights (arXiv 1803.05407's idea, as used by EfficientNet), warm from the start."""

    def __init__(self, learned: nn.Module, decay: float) -> None:
        self.learned, self.decay = learned, decay
        self.values = {n: v.detach().clone() for n, v in learned.state_dict().items()} if decay else {}

    def step(self, index: int) -> None:
        decay = min(self.decay, (1 + index) / (10 + index))
        with torch.no_grad():
            for name, value in self.learned.state_dict().items():
                if name in self.values and value.is_floating_point():
                    self.values[name].lerp_(value, 1 - decay)

    def apply(self) -> None:
        if self.values:
            self.learned.load_state_dict(self.values)


class _Kept:
    """What a stopped run needs to go on."""

    def __init__(
        self,
        path: Path,
        learned: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: _Average,
        counts: Counter[str],
    ) -> None:
        self.path, self.learned, self.optimizer, self.average = path, learned, optimizer, average
        self.counts = counts
        self.saved_s = time.monotonic()

    def due(self) -> bool:
        return time.monotonic() - self.saved_s > SAVE_S

    def save(self, done: int) -> None:
        state = {
            "done": done,
            "learned": self.learned.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.values,
            "counts": dict(self.counts),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".part")
        torch.save(state, scratch)
        scratch.replace(self.path)
        self.saved_s = time.monotonic()

    def load(self) -> int:
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, weights_only=True)
        self.learned.load_state_dict(state["learned"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.values = state["average"]
        self.counts.clear()
        self.counts.update(state["counts"])
        return int(state["done"])

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
