from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest
import torch
from tests.compile.exported import check_exports

from sensorium_compile.errors import CompileError
from sensorium_compile.towers import build_tower
from sensorium_compile.towers.logmel import LogMel
from sensorium_compile.zoo import Weights

SPEECH = "speech_embedding"


@dataclass(frozen=True)
class Sound:
    samples: int = 16_000
    rate_hz: int = 16_000
    kind: str = "sound"


def _sound(samples: int = 16_000, batch: int = 1) -> np.ndarray:
    """Noise and tones that come and go; the first half of the last one is digital silence."""
    rng = np.random.default_rng(5)
    time = np.arange(samples) / 16_000
    tones = np.sin(2 * np.pi * rng.uniform(100, 3000, (batch, 1)) * time) * np.sin(2 * np.pi * 1.5 * time) ** 2
    sound = (0.3 * tones + rng.normal(0, 0.02, (batch, samples))).astype(np.float32)
    sound[-1, : samples // 2] = 0
    return sound


def _original_mel(weights: Weights, sound: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(weights.path("speech-melspectrogram"), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": sound * np.float32(32768)})[0].reshape(-1, 32) / 10 + 2  # (frames, 32)


def _original(weights: Weights, sound: np.ndarray) -> np.ndarray:
    mel = _original_mel(weights, sound)
    windows = np.stack([mel[i : i + 76, :, None] for i in range(0, len(mel) - 75, 8)])
    session = onnxruntime.InferenceSession(weights.path("speech-embedding"), providers=["CPUExecutionProvider"])
    return session.run(None, {"input_1": windows.astype(np.float32)})[0].reshape(-1, 96)


@pytest.mark.parametrize("samples", [16_000, 24_321, 12_432])
def test_the_spectrum_is_that_of_the_original(weights: Weights, samples: int) -> None:
    sound = _sound(samples, 2)
    got = LogMel(samples)(torch.from_numpy(sound)).numpy()
    for index in range(2):
        np.testing.assert_allclose(got[index].T, _original_mel(weights, sound[index : index + 1]), atol=1e-3)


@pytest.mark.parametrize("samples", [16_000, 32_000])
def test_its_steps_are_the_vectors_of_the_original(weights: Weights, samples: int) -> None:
    sound = _sound(samples, 2)
    tower = build_tower(SPEECH, Sound(samples), {}, weights).eval()
    with torch.no_grad():
        tokens = tower(torch.from_numpy(sound)).numpy()
    assert tokens.shape == (2, tower.count, tower.width)
    for index in range(2):
        np.testing.assert_allclose(tokens[index], _original(weights, sound[index : index + 1]), atol=1e-3)


def test_a_cut_tower_gives_the_blocks_of_the_whole_one(weights: Weights) -> None:
    whole = build_tower(SPEECH, Sound(), {}, weights).eval()
    cut = build_tower(SPEECH, Sound(), {"blocks": 3}, weights).eval()
    seen: list[torch.Tensor] = []
    whole.get_submodule("network.blocks.2").register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.no_grad():
        whole(torch.from_numpy(_sound()))
        tokens = cut(torch.from_numpy(_sound()))  # (1, steps, 72 * 4)
    np.testing.assert_allclose(tokens[0, 3].reshape(72, 4), seen[0][0, :, 3], atol=1e-5)


def test_narrowing_keeps_pretrained_channels(weights: Weights) -> None:
    narrow = build_tower(SPEECH, Sound(), {"narrow": 0.5}, weights)
    whole = build_tower(SPEECH, Sound(), {}, weights)
    name = "network.blocks.0.conv0.conv.weight"
    mine, theirs = (tower.get_parameter(name).flatten(1).tolist() for tower in (narrow, whole))
    assert len(mine) < len(theirs)
    assert all(row in theirs for row in mine)
    assert (narrow.count, narrow.width) == (whole.count, whole.width)


def test_without_weights_the_shapes_are_those_of_the_pretrained_one(weights: Weights) -> None:
    options = {"narrow": 0.6, "blocks": 4, "width": 32, "tokens": 2}
    trained = build_tower(SPEECH, Sound(), options, weights).eval()
    rebuilt = build_tower(SPEECH, Sound(), options).eval()
    rebuilt.load_state_dict(trained.state_dict())
    sound = torch.from_numpy(_sound())
    with torch.no_grad():
        assert torch.equal(trained(sound), rebuilt(sound))
        assert trained(sound).shape == (1, 2, 32)


def test_levelled_sound_of_any_loudness_is_the_same(weights: Weights) -> None:
    tower = build_tower(SPEECH, Sound(), {"level": "loudest"}, weights).eval()
    sound = torch.from_numpy(_sound())
    with torch.no_grad():
        np.testing.assert_allclose(tower(sound), tower(sound * 0.05), atol=1e-2)
        assert torch.isfinite(tower(torch.zeros(1, 16_000))).all()


@pytest.mark.parametrize("options", [{"width": 32}, {"level": "loudest", "tokens": 1, "narrow": 0.5}])
def test_it_exports(weights: Weights, options: dict[str, object]) -> None:
    check_exports(build_tower(SPEECH, Sound(), options, weights), torch.from_numpy(_sound()))


def test_it_is_trained_through_the_spectrum(weights: Weights) -> None:
    tower = build_tower(SPEECH, Sound(), {"width": 8}, weights)
    (tower(torch.from_numpy(_sound(batch=2))) * torch.arange(8)).sum().backward()
    missing = [name for name, value in tower.named_parameters() if value.grad is None or not value.grad.any()]
    assert missing == []


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(CompileError, match="too short for 5 blocks"):
        build_tower(SPEECH, Sound(8000), {})
    with pytest.raises(CompileError, match="takes sound at 16000 Hz; given 8000 Hz"):
        build_tower(SPEECH, Sound(8000, 8000), {})
    with pytest.raises(CompileError, match="4 tokens out of 3 steps; use 3 or less"):
        build_tower(SPEECH, Sound(), {"tokens": 4})
