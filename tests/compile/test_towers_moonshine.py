from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest
import torch
from tests.compile.exported import check_exports

from sensorium_compile.errors import CompileError
from sensorium_compile.towers import Tower, build_tower
from sensorium_compile.towers.moonshine import ENTRY, frame_count
from sensorium_compile.towers.ort_file import read_weights
from sensorium_compile.zoo import Weights

MOONSHINE = "moonshine"
AS_IT_IS = {"level": "given"}


@dataclass(frozen=True)
class Sound:
    samples: int = 24_000
    rate_hz: int = 16_000
    kind: str = "sound"


def _sound(samples: int = 24_000, batch: int = 1) -> torch.Tensor:
    """Voiced sound: harmonics of a gliding pitch, three times louder and softer a second."""
    rng = np.random.default_rng(3)
    time = np.arange(samples) / 16_000
    pitch = rng.uniform(90, 200, (batch, 1)) * (1 + 0.2 * time)
    tones = sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 20))
    sound = 0.2 * tones * np.sin(2 * np.pi * 1.5 * time) ** 2 + rng.normal(0, 0.005, (batch, samples))
    return torch.from_numpy(sound.astype(np.float32))


def _tokens(tower: Tower, sound: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return tower.eval()(sound).numpy()


def _original(weights: Weights, sound: np.ndarray) -> np.ndarray:
    """Of one sound (1, samples): (frames, 288)."""
    session = onnxruntime.InferenceSession(weights.path(ENTRY), providers=["CPUExecutionProvider"])
    feed = {"input_values": sound, "attention_mask": np.ones(sound.shape, np.int64)}
    return session.run(None, {item.name: feed[item.name] for item in session.get_inputs()})[0][0]


@pytest.mark.parametrize("samples", [16_000, 24_000])
def test_its_frames_are_those_of_the_original(weights: Weights, samples: int) -> None:
    """Not to the last digit: the original rounds every product's input to 8 bits."""
    sound = _sound(samples)
    got = _tokens(build_tower(MOONSHINE, Sound(samples), AS_IT_IS, weights), sound)[0]
    expected = _original(weights, sound.numpy())
    assert got.shape == expected.shape == (frame_count(samples), 288)
    cosines = (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.98
    assert np.median(cosines) > 0.995


def test_a_cut_tower_gives_the_layers_of_the_whole_one(weights: Weights) -> None:
    whole, cut = (build_tower(MOONSHINE, Sound(), {"layers": n}, weights) for n in (6, 2))
    seen: list[torch.Tensor] = []
    whole.get_submodule("layers.1").register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    _tokens(whole, _sound())
    with torch.no_grad():
        expected = whole.get_submodule("norm")(seen[0])
    np.testing.assert_allclose(_tokens(cut, _sound()), expected, atol=1e-5)


def test_attention_is_by_the_distance_between_places(weights: Weights) -> None:
    layer = build_tower(MOONSHINE, Sound(), {"layers": 1}, weights).get_submodule("layers.0")
    frames = frame_count(24_000)
    query, key = (torch.randn(1, 1, 1, 36).expand(1, 1, frames, 36) for _ in range(2))
    scores = (layer._turned(query) @ layer._turned(key).transpose(2, 3))[0, 0]
    for distance in (0, 5, -9):
        along = scores.diagonal(distance)
        np.testing.assert_allclose(along, along[:1].expand_as(along), atol=1e-3)


def test_narrowing_keeps_pretrained_channels(weights: Weights) -> None:
    narrow = build_tower(MOONSHINE, Sound(), {"inner": 0.5, "mlp": 0.25, "layers": 2}, weights)
    whole = build_tower(MOONSHINE, Sound(), {"layers": 2}, weights)
    for name, count in (("conv2.bias", 288), ("layers.1.fc1.bias", 288)):
        mine, theirs = (tower.get_parameter(name).tolist() for tower in (narrow, whole))
        assert len(mine) == count
        assert set(mine) < set(theirs)
    assert np.isfinite(_tokens(narrow, _sound())).all()


def test_its_tokens_are_averages_of_frames(weights: Weights) -> None:
    frames = _tokens(build_tower(MOONSHINE, Sound(), {"layers": 1}, weights), _sound())[0]
    tokens = _tokens(build_tower(MOONSHINE, Sound(), {"layers": 1, "tokens": 3}, weights), _sound())[0]
    assert tokens.shape == (3, 288)
    np.testing.assert_allclose(tokens[0], frames[:21].mean(0), atol=1e-5)
    np.testing.assert_allclose(tokens[2], frames[-21:].mean(0), atol=1e-5)


def test_without_weights_the_shapes_are_those_of_the_pretrained_one(weights: Weights) -> None:
    options = {"layers": 2, "inner": 0.5, "mlp": 0.5, "width": 32, "tokens": 2}
    trained, rebuilt = build_tower(MOONSHINE, Sound(), options, weights), build_tower(MOONSHINE, Sound(), options)
    rebuilt.load_state_dict(trained.state_dict())
    np.testing.assert_array_equal(_tokens(trained, _sound()), _tokens(rebuilt, _sound()))
    assert _tokens(trained, _sound(batch=2)).shape == (2, trained.count, trained.width) == (2, 2, 32)


def test_levelled_sound_of_any_loudness_is_the_same(weights: Weights) -> None:
    tower = build_tower(MOONSHINE, Sound(), {"layers": 2}, weights)
    np.testing.assert_allclose(_tokens(tower, _sound()), _tokens(tower, _sound() * 0.05), atol=1e-2)
    assert np.isfinite(_tokens(tower, torch.zeros(1, 24_000))).all()


@pytest.mark.parametrize("options", [{"layers": 1}, {"layers": 2, "width": 32, "tokens": 3, "inner": 0.5, "mlp": 0.5}])
def test_it_exports(weights: Weights, options: dict[str, object]) -> None:
    check_exports(build_tower(MOONSHINE, Sound(), options, weights), _sound())


def test_a_clip_bounds_what_the_third_convolution_is_given(weights: Weights) -> None:
    given: dict[str, float] = {}
    for name, options in (("free", {}), ("clipped", {"clip": 4.0})):
        tower = build_tower(MOONSHINE, Sound(), options, weights).eval()
        tower.conv3.register_forward_pre_hook(lambda _, args, name=name: given.update({name: float(args[0].max())}))
        _tokens(tower, _sound())
    assert given["clipped"] == 4.0 < given["free"]


def test_every_weight_is_trained(weights: Weights) -> None:
    tower = build_tower(MOONSHINE, Sound(), {"width": 8, "layers": 2}, weights)
    (tower(_sound(batch=2)) * torch.arange(8)).sum().backward()
    missing = [name for name, value in tower.named_parameters() if value.grad is None or not value.grad.any()]
    assert missing == []


def test_the_shortest_sound_gives_one_frame() -> None:
    assert _tokens(build_tower(MOONSHINE, Sound(895), AS_IT_IS), _sound(895)).shape == (1, 1, 288)


def test_what_does_not_fit_is_told(weights: Weights) -> None:
    with pytest.raises(CompileError, match="too short for tower 'moonshine'; give at least 895"):
        build_tower(MOONSHINE, Sound(894), {})
    with pytest.raises(CompileError, match="takes sound at 16000 Hz; given 8000 Hz"):
        build_tower(MOONSHINE, Sound(8000, 8000), {})
    with pytest.raises(CompileError, match="62 tokens out of 61 steps"):
        build_tower(MOONSHINE, Sound(), {"tokens": 62})
    with pytest.raises(CompileError, match="ONNX Runtime's own format"):
        read_weights(weights.path("speech-embedding"))
