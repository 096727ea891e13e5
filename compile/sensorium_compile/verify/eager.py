"""The PyTorch model itself behind the same interface as its lowered forms: what they are compared with."""

from collections.abc import Mapping

import torch
from torch import nn

from sensorium.bundle import TensorSpec
from sensorium.errors import BackendError
from sensorium.inputs import InputSpec, tensor_dtype
from sensorium.learned.config import FUSION, PRESENCE, SAMPLE, TOKENS
from sensorium.samples import Array
from sensorium_compile.model.contract import FusionGraph, MultimodalModel
from sensorium_compile.verify.opened import OpenedModel

ANY = -1  # number of examples


class EagerGraph:
    """A module run by PyTorch, as a graph that takes any number of examples."""

    def __init__(self, name: str, module: nn.Module, inputs: tuple[TensorSpec, ...], outputs: tuple[str, ...]) -> None:
        self.inputs = inputs
        self.outputs = tuple(TensorSpec(name=out, dtype="float32", shape=(ANY,)) for out in outputs)
        self._name, self._module = name, module.eval()

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""
        given = [torch.from_numpy(feeds[spec.name]) for spec in self.inputs]
        try:
            with torch.inference_mode():
                made = self._module(*given)
        except (RuntimeError, ValueError, TypeError) as err:
            raise BackendError(f"{self._name}: PyTorch failed: {str(err).splitlines()[0]}") from err
        told = made if isinstance(made, tuple) else (made,)
        return {spec.name: out.numpy() for spec, out in zip(self.outputs, told, strict=True)}


def open_eager(model: MultimodalModel, specs: Mapping[str, InputSpec]) -> OpenedModel:
    """The model's encoders and fusion; sizes are those of its float32 parameters and buffers."""
    encoders = {
        name: EagerGraph(name, model.encoders[name], (_sample(spec),), (TOKENS,)) for name, spec in specs.items()
    }
    inputs = [TensorSpec(name=name, dtype="float32", shape=_tokens(model.encoders[name])) for name in specs]
    inputs.append(TensorSpec(name=PRESENCE, dtype="float32", shape=(ANY, len(specs))))
    fusion = EagerGraph(FUSION, FusionGraph(model), tuple(inputs), tuple(model.heads))
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    return OpenedModel(encoders, fusion, size)


def _sample(spec: InputSpec) -> TensorSpec:
    dtype = "int64" if tensor_dtype(spec) == "int64" else "float32"
    return TensorSpec(name=SAMPLE, dtype=dtype, shape=(ANY, *spec.shape[1:]))


def _tokens(encoder: nn.Module) -> tuple[int, ...]:
    return ANY, int(str(encoder.count)), int(str(encoder.width))
