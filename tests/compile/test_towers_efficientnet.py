from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from tests.compile.exported import check_exports

from sensorium_compile.convert import parity
from sensorium_compile.convert.efficientnet import VARIANTS, Variant, convert
from sensorium_compile.convert.state_dict import read_state_dict
from sensorium_compile.errors import CompileError
from sensorium_compile.towers import build_tower, fold_batchnorm
from sensorium_compile.zoo import Weights

LITE = "efficientnet_lite"


@dataclass(frozen=True)
class Image:
    height: int
    width: int
    kind: str = "image"


def _picture(height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, height, width)).astype(np.float32))


@pytest.mark.parametrize(("name", "size"), [("lite0", 224), ("lite0", 97), ("lite2", 110), ("lite1", 128)])
def test_it_gives_what_the_converted_graph_gives(weights: Weights, name: str, size: int) -> None:
    state = read_state_dict(weights.path(f"efficientnet-{name}"))
    model = convert(state, Variant(VARIANTS[name].depth, size))
    flat = next(node.output[0] for node in model.graph.node if node.op_type == "Flatten")
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(flat))
    pixels = parity.pattern(size)[None]
    expected = parity.run(model, {"pixels": pixels})[flat]
    tower = build_tower(LITE, Image(size, size), {"variant": name}, weights).eval()
    sample = torch.from_numpy(pixels.astype(np.float32).transpose(0, 3, 1, 2))
    with torch.no_grad():
        for module in (tower, fold_batchnorm(tower)):
            np.testing.assert_allclose(module(sample)[:, 0].numpy(), expected, atol=1e-3)


def test_a_cut_tower_gives_the_stage_of_the_whole_one(weights: Weights) -> None:
    whole = build_tower(LITE, Image(112, 96), {}, weights).eval()
    cut = build_tower(LITE, Image(112, 96), {"stages": 5, "grid": 2}, weights).eval()
    assert (cut.count, cut.width) == (4, 112)
    seen: list[torch.Tensor] = []
    whole.get_submodule("blocks.10").register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.no_grad():
        whole(_picture(112, 96))
        tokens = cut(_picture(112, 96))
    np.testing.assert_allclose(tokens[0, 0], seen[0][0, :, :4, :3].mean((1, 2)), atol=1e-4)


def test_narrowing_keeps_pretrained_channels_and_most_of_the_answer(weights: Weights) -> None:
    whole = build_tower(LITE, Image(112, 112), {"stages": 5}, weights).eval()
    images = torch.from_numpy(parity.pattern(112)[None].astype(np.float32).transpose(0, 3, 1, 2))
    with torch.no_grad():
        expected = whole(images).flatten()
        near = [
            torch.cosine_similarity(
                build_tower(LITE, Image(112, 112), {"stages": 5, "narrow": f}, weights).eval()(images).flatten(),
                expected,
                dim=0,
            )
            for f in (0.95, 0.75, 0.5)
        ]
    assert near[0] > 0.9
    assert near == sorted(near, reverse=True)
    narrow = build_tower(LITE, Image(112, 112), {"stages": 5, "narrow": 0.5}, weights)
    mine, theirs = (t.get_parameter("blocks.3.depthwise.conv.weight").flatten(1) for t in (narrow, whole))
    assert len(mine) == len(theirs) // 2
    assert {tuple(row.tolist()) for row in mine} < {tuple(row.tolist()) for row in theirs}


def test_without_weights_the_shapes_are_those_of_the_pretrained_one(weights: Weights) -> None:
    options = {"stages": 6, "narrow": 0.6, "width": 64}
    torch.manual_seed(0)
    trained = build_tower(LITE, Image(64, 64), options, weights).eval()
    rebuilt = build_tower(LITE, Image(64, 64), options).eval()
    rebuilt.load_state_dict(trained.state_dict())
    with torch.no_grad():
        assert torch.equal(trained(_picture(64, 64)), rebuilt(_picture(64, 64)))


def test_one_seed_gives_one_tower() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(build_tower(LITE, Image(32, 32), {"stages": 2, "width": 16}).state_dict())
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_it_exports(weights: Weights) -> None:
    tower = build_tower(LITE, Image(64, 48), {"stages": 5, "grid": 2, "width": 32}, weights)
    check_exports(fold_batchnorm(tower), _picture(64, 48))


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(CompileError, match=r"no tower 'resnet'; known: .*efficientnet_lite"):
        build_tower("resnet", Image(32, 32), {})
    known = "width, variant, stages, grid, narrow"
    with pytest.raises(CompileError, match=f"'efficientnet_lite': no key 'stage'; known there: {known}"):
        build_tower(LITE, Image(32, 32), {"stage": 3})
    with pytest.raises(CompileError, match=r"_lite': variant: .*'lite0', 'lite1' or 'lite2'; given 'lite9'"):
        build_tower(LITE, Image(32, 32), {"variant": "lite9"})
    with pytest.raises(CompileError, match="needs an input with height"):
        build_tower(LITE, object(), {})
    with pytest.raises(CompileError, match="a grid of 3 x 3 on features of 2 x 2; use 2 or less"):
        build_tower(LITE, Image(32, 32), {"stages": 5, "grid": 3})
