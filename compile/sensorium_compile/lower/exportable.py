"""What is lowered: a module with its example inputs, and the blocks of it that can be kept in float."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from sensorium.bundle import TensorSpec
from sensorium.bundle.manifest import DType
from sensorium.errors import unknown
from sensorium.samples import Array
from sensorium_compile.errors import CompileError

_DTYPES: dict[torch.dtype, DType] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.int64: "int64",
    torch.int32: "int32",
    torch.int8: "int8",
    torch.uint8: "uint8",
    torch.bool: "bool",
}
Batch: TypeAlias = Literal["one", "any"]  # samples that a graph takes at once

MOST_BLOCKS = 16  # a search lowers and measures once per block


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Exportable:
    """One graph to be: a module in eval mode, which must not change afterwards (what was exported is remembered).

    The module takes ``inputs`` in their order, batch 1, and returns one tensor, a tuple of them, or a mapping with the
    names ``outputs``. A module with the attribute ``float_only = True`` inside it is never quantized; one with
    ``float_inputs = True`` computes in float, and its weights alone may have 8 bits.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    batch: Batch = "one"  # any: for the backends that can, ONNX Runtime and OpenVINO

    def check(self, keep: Collection[str]) -> None:
        """Raises CompileError: training mode, a weight that is not finite, or a block that does not exist."""
        if self.module.training:
            raise CompileError(f"graph {self.name} is in training mode; call .eval() on its module first")
        for name, tensor in self.module.state_dict().items():
            if tensor.is_floating_point() and bool(tensor.isnan().any()):
                raise CompileError(
                    f"graph {self.name}: tensor {name} holds NaN; load another checkpoint, or train it again "
                    "with a lower learning rate"
                )
        paths = {path for path, _ in self.module.named_modules()}
        for path in keep:
            if path not in paths:
                raise CompileError(f"graph {self.name}: {unknown('block', path, blocks(self.module))}")

    def float_paths(self, keep: Collection[str]) -> tuple[str, ...]:
        """The module paths that compute in float: those kept, and those that are ``float_only``."""
        return tuple(sorted({*keep, *self._marked("float_only"), *self.weight_paths()}))

    def weight_paths(self) -> tuple[str, ...]:
        """Those of which the weights alone may be quantized."""
        return tuple(self._marked("float_inputs"))

    def _marked(self, attribute: str) -> Iterator[str]:
        return (path for path, module in self.module.named_modules() if getattr(module, attribute, False))

    def specs(self) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
        """Inputs and outputs as the manifest describes them."""
        with torch.inference_mode():
            made = positional(self.module, self.outputs)(*self.inputs.values())
        return (
            tuple(_spec(name, tensor) for name, tensor in self.inputs.items()),
            tuple(_spec(name, tensor) for name, tensor in zip(self.outputs, made, strict=True)),
        )

    def example(self) -> dict[str, Array]:
        """The example inputs as arrays."""
        return {name: tensor.numpy() for name, tensor in self.inputs.items()}


class _Positional(nn.Module):
    """Inputs by position, outputs as a tuple in a given order, whatever the module returns."""

    def __init__(self, module: nn.Module, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.module = module
        self.outputs = outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        made = self.module(*inputs)
        if isinstance(made, Tensor):
            return (made,)
        if isinstance(made, Mapping):
            return tuple(made[name] for name in self.outputs)
        return tuple(made)


WRAPPED = "module"  # the path of the module inside what ``positional`` makes


def positional(module: nn.Module, outputs: tuple[str, ...]) -> nn.Module:
    """The module as exporters want it: tensors by position in, a tuple of tensors out."""
    return _Positional(module, outputs).eval()


def unwrapped(path: str) -> str:
    """A module's path inside ``positional`` as a path of the module itself."""
    return path.removeprefix(WRAPPED).removeprefix(".")


def inside(path: str, blocks: Collection[str]) -> bool:
    """Whether a module path is one of the blocks or lies in one; the block ``""`` is everything."""
    return any(not block or path == block or path.startswith(f"{block}.") for block in blocks)


def blocks(module: nn.Module, most: int = MOST_BLOCKS) -> tuple[str, ...]:
    """The module paths that can be kept in float, at most ``most``, in the order of the modules.

    The largest block (by layers that can be quantized) is split into its children while the number allows it.
    """
    found = {"": module}
    while True:
        ranked = sorted(found, key=lambda path: -_layers(found[path]))  # the sort is stable
        for path in ranked:
            parts = dict(_parts(path, found[path]))
            if parts and len(found) - 1 + len(parts) <= most:
                found = {
                    p: m for old, kept in found.items() for p, m in (parts if old == path else {old: kept}).items()
                }
                break
        else:
            return tuple(path for path in found if _layers(found[path]))


def _parts(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if _quantizable(module):
        return
    for name, child in module.named_children():
        if _layers(child):
            yield f"{path}.{name}" if path else name, child


def _layers(module: nn.Module) -> int:
    if getattr(module, "float_only", False):
        return 0
    return _quantizable(module) + sum(map(_layers, module.children()))


def _quantizable(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.MultiheadAttention)


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    return TensorSpec(name=name, dtype=_DTYPES[tensor.dtype], shape=tuple(tensor.shape))
