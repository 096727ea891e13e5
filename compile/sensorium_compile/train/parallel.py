"""One process or many: what ``torchrun`` set up, read once.

Every rank draws the same global batch from the same seed and keeps its slice, so that the number of processes changes
nothing but the order of additions.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import distributed, nn

from sensorium_compile.errors import CompileError

Strategy: TypeAlias = Literal["ddp", "fsdp"]


@dataclass(frozen=True, slots=True)
class World:
    """This process among all."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """The examples of a global batch that are this process's own."""
        if batch % self.size:
            raise CompileError(
                f"a batch of {batch} cannot be shared by {self.size} processes; give a multiple of {self.size}"
            )
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)


ALONE = World()


@contextmanager
def world() -> Iterator[World]:
    """Join the processes that torchrun started; alone where it did not."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield World(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


class Step(nn.Module):
    """A loss as a module's forward, which is where DDP and FSDP hook in."""

    def __init__(self, learned: nn.ModuleDict) -> None:
        super().__init__()
        self.learned = learned

    def forward(self, compute: "object", *given: object) -> torch.Tensor:
        """The loss that ``compute`` makes of the learned modules."""
        return compute(self.learned, *given)  # type: ignore[operator, no-any-return]


def spread(step: Step, here: World, strategy: Strategy) -> nn.Module:
    """The step, with gradients averaged over all processes."""
    if here.size == 1:
        return step
    if strategy == "fsdp":
        from torch.distributed.fsdp import fully_shard

        fully_shard(step)
        return step
    return nn.parallel.DistributedDataParallel(step, find_unused_parameters=True)


def whole_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a module, put together of what ``spread`` parted among the processes; every process calls it."""
    from torch.distributed.tensor import DTensor

    state = module.state_dict()
    return {name: own.full_tensor() if isinstance(own, DTensor) else own for name, own in state.items()}
