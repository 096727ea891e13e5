"""Which module a tensor of a converted .tflite belongs to: the converter names it by classes and attributes."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sensorium_compile.lower.exportable import unwrapped

_NUMBER = re.compile(r";\d*$")  # the converter numbers the tensors of one module


class Modules:
    """Looks modules up by names such as ``net.Net_module/torch.nn.modules.linear.Linear_proj;1``.

    Containers that are only looped over have no place in such names, so two modules may share one; then the weight
    decides, whatever the order of its axes.
    """

    def __init__(self, module: nn.Module) -> None:
        self._chains = {path: _chain(module, path) for path, _ in module.named_modules()}
        self._weights = {
            path: [_sorted(t.detach()) for t in _own(m) if t.dim() > 1] for path, m in module.named_modules()
        }

    def paths(self, names: Sequence[str], weight: NDArray[np.float32] | None = None) -> tuple[str, ...]:
        """The module's path, by the first of the names that tells one; all that it may be where none can be told."""
        for name in names:
            if found := self._named(name):
                return tuple(unwrapped(path) for path in self._narrowed(found, weight))
        if weight is not None and (found := self._narrowed(list(self._chains), weight)):
            return tuple(unwrapped(path) for path in found)
        return ("",)

    def _named(self, name: str) -> list[str]:
        """Paths whose chain of modules holds the name's, in order, and ends alike."""
        found = []
        for part in name.split(";;"):
            steps = _NUMBER.sub("", part).split("/")[1:]
            found += [
                p for p, chain in self._chains.items() if steps and chain[-1:] == steps[-1:] and _within(steps, chain)
            ]
        return sorted(set(found), key=list(self._chains).index)

    def _narrowed(self, found: list[str], weight: NDArray[np.float32] | None) -> list[str]:
        if weight is None or len(found) < 2:
            return found
        values = np.sort(weight, axis=None)
        exact = [path for path in found if any(np.array_equal(values, own) for own in self._weights[path])]
        return exact or found


def _chain(module: nn.Module, path: str) -> list[str]:
    """The name of each module on the way to a path, as the converter writes it: class, attribute."""
    steps, at = [], module
    for attribute in path.split(".") if path else []:
        at = at.get_submodule(attribute)
        steps.append(f"{type(at).__module__}.{type(at).__qualname__}_{attribute}")
    return steps


def _within(steps: Sequence[str], chain: Sequence[str]) -> bool:
    """Are all steps in the chain, in that order?"""
    rest = iter(chain)
    return all(step in rest for step in steps)


def _own(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)


def _sorted(tensor: Tensor) -> NDArray[np.float32]:
    return np.sort(tensor.float().numpy(), axis=None)
