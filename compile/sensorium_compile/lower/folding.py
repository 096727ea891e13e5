"""Batch normalisation folded into the convolution or linear layer before it, wherever that stands in the module."""

import copy
from collections.abc import Callable

from torch import fx, nn
from torch.export import ExportedProgram
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from sensorium_compile.lower.exportable import unwrapped

_LAYERS = ("aten.conv1d", "aten.conv2d", "aten.linear")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fold_batchnorm(module: nn.Module, trace: Callable[[nn.Module], ExportedProgram]) -> nn.Module:
    """A copy in which what ``trace`` shows as layer -> normalisation is one layer; the module itself where none is.

    Pairs are found in the traced graph, so they need not be neighbours in a Sequential. A layer whose output or weight
    is used elsewhere too is left as it is.
    """
    if not any(isinstance(m, _NORMS) for m in module.modules()):
        return module
    program = trace(module)
    pairs = [pair for node in program.graph.nodes if (pair := _pair(program, node)) is not None]
    layers, norms = [layer for layer, _ in pairs], [norm for _, norm in pairs]
    folded = copy.deepcopy(module)
    for layer, norm in pairs:
        if layers.count(layer) == 1 and norms.count(norm) == 1:
            _fold(folded, layer, norm)
    return folded


def _pair(program: ExportedProgram, node: fx.Node) -> tuple[str, str] | None:
    if "batch_norm" not in str(node.target) or not isinstance(before := node.args[0], fx.Node):
        return None
    if not any(op in str(before.target) for op in _LAYERS) or len(before.users) > 1:
        return None
    if "linear" in str(before.target) and before.meta["val"].dim() != 2:
        return None  # of (batch, tokens, width) BatchNorm1d normalises the tokens, not the width
    layer, norm = _owner(program, before.args[1]), _owner(program, node.args[1])
    return (layer, norm) if layer is not None and norm is not None else None


def _owner(program: ExportedProgram, weight: object) -> str | None:
    """The path of the module whose parameter ``weight`` that node is."""
    if not isinstance(weight, fx.Node) or len(weight.users) > 1:
        return None
    name = program.graph_signature.inputs_to_parameters.get(weight.name, "")
    path, _, kind = unwrapped(name).rpartition(".")
    return path if kind == "weight" else None


def _fold(module: nn.Module, layer_path: str, norm_path: str) -> None:
    layer, norm = module.get_submodule(layer_path), module.get_submodule(norm_path)
    if isinstance(layer, nn.Conv1d | nn.Conv2d) and isinstance(norm, _NORMS):
        module.set_submodule(layer_path, fuse_conv_bn_eval(layer, norm))
    elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
        module.set_submodule(layer_path, fuse_linear_bn_eval(layer, norm))
    else:
        return
    module.set_submodule(norm_path, nn.Identity())
