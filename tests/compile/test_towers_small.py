from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tests.compile.exported import check_exports
from torch import Tensor

from sensorium_compile.errors import CompileError
from sensorium_compile.towers import (
    ConvNorm,
    Tower,
    TowerOptions,
    build_tower,
    fold_batchnorm,
    register_tower,
    tower_names,
)
from sensorium_compile.towers.layers import same_padding


@dataclass(frozen=True)
class Image:
    height: int = 32
    width: int = 24
    frames: int = 1
    kind: str = "image"


@dataclass(frozen=True)
class Readings:
    window: int = 30
    channels: int = 3
    kind: str = "readings"


SAMPLES = {
    "convnet": (Image(), torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(0)) * 255),
    "readings": (Readings(), torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))),
    "video": (Image(frames=3), torch.rand(2, 3, 3, 32, 24, generator=torch.Generator().manual_seed(0)) * 255),
}
TABLES: dict[str, dict[str, object]] = {
    "convnet": {"channels": [8, 16], "grid": 2, "width": 20},
    "readings": {"features": [8, 16], "tokens": 3, "width": 20},
    "video": {"options": {"channels": [8, 16], "grid": 2}, "width": 20, "tokens": 2},
}


def _built(name: str) -> tuple[Tower, Tensor]:
    torch.manual_seed(1)
    spec, sample = SAMPLES[name]
    return build_tower(name, spec, TABLES[name]), sample


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_tower_gives_the_tokens_it_says(name: str) -> None:
    tower, sample = _built(name)
    assert tower(sample).shape == (2, tower.count, tower.width)
    assert tower.width == 20


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_one_seed_gives_one_tower(name: str) -> None:
    first, second = (_built(name)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_folding_changes_the_layers_and_not_the_answer(name: str) -> None:
    tower, sample = _built(name)
    tower.train()
    tower(sample * 0.7)  # moves the running means
    tower.eval()
    folded = fold_batchnorm(tower)
    assert not any("running_mean" in key for key in folded.state_dict())
    assert any("running_mean" in key for key in tower.state_dict())
    with torch.no_grad():
        np.testing.assert_allclose(folded(sample), tower(sample), atol=1e-4)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_it_exports(name: str) -> None:
    tower, sample = _built(name)
    check_exports(fold_batchnorm(tower), sample[:1])


def test_a_clip_of_one_frame_is_an_image() -> None:
    tower = build_tower("video", Image(), {"width": 16}).eval()
    image = torch.rand(2, 3, 32, 24) * 255
    with torch.no_grad():
        assert torch.equal(tower(image), tower(image[:, None]))


def test_the_order_of_frames_matters() -> None:
    tower, clip = _built("video")
    tower.eval()
    with torch.no_grad():
        assert not torch.allclose(tower(clip), tower(clip.flip(1)), atol=1e-4)


def test_an_image_tower_is_not_given_a_clip() -> None:
    with pytest.raises(
        CompileError, match="takes one image; for a clip name the tower 'video', with image = 'convnet'"
    ):
        build_tower("convnet", Image(frames=4), {})


def test_readings_are_told_apart_by_their_own_spread() -> None:
    tower, _ = _built("readings")
    tower.eval()
    readings = torch.randn(40, 30, 3) * torch.tensor([1e-3, 1.0, 0.0]) + torch.tensor([5.0, -300.0, 7.0])
    tower.fit_statistics(readings)
    standard = tower.get_submodule("standardise")(readings)
    np.testing.assert_allclose(standard.mean((0, 1)), 0, atol=1e-2)
    np.testing.assert_allclose(standard.std((0, 1), correction=0), [1, 1, 0], atol=1e-2)
    assert torch.isfinite(tower(readings * 1e9)).all()


@pytest.mark.parametrize(("size", "kernel", "stride"), [(224, 3, 2), (225, 3, 2), (14, 5, 2), (7, 5, 1), (1, 3, 2)])
def test_padding_is_that_of_tensorflow(size: int, kernel: int, stride: int) -> None:
    before, after = same_padding(size, kernel, stride)
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
    assert after - before in (0, 1)
    layer = ConvNorm((1, 1), kernel, (size, size + 1), stride=stride)
    assert layer(torch.zeros(2, 1, size, size + 1)).shape[2:] == layer.side


def test_a_plugin_adds_a_tower_with_its_own_options() -> None:
    class Options(TowerOptions):
        gain: float = 1.0

    class Constant(Tower):
        def forward(self, sample: Tensor) -> Tensor:
            return sample.mean() * torch.ones(len(sample), self.count, self.width)

    def build(_spec: object, options: Options, _weights: object) -> Tower:
        return Constant(1, options.width or 4)

    register_tower("constant-of-a-test", build, Options)
    assert "constant-of-a-test" in tower_names()
    assert build_tower("constant-of-a-test", object(), {"gain": 2}).width == 4
    with pytest.raises(CompileError, match="no key 'gian'; known there: width, gain"):
        build_tower("constant-of-a-test", object(), {"gian": 2})
    with pytest.raises(CompileError, match="the tower name 'convnet' is taken"):
        register_tower("convnet", build)
