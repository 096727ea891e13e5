"""The voice detector in PyTorch says what its ONNX original says, chunk after chunk of real speech."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from sensorium.components.voice_activity import CHUNK, RATE_HZ
from sensorium_compile.errors import CompileError
from sensorium_compile.towers.silero import CONTEXT, STATE, read_silero
from sensorium_compile.zoo import Weights
from sensorium_devices.sound import read_audio


def test_it_says_what_the_original_says_of_speech(weights: Weights) -> None:
    content = weights.path("silero-vad").read_bytes()
    module, original = read_silero(content), ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    speech, _ = read_audio(weights.path("speech-jfk"))
    state, own_state = np.zeros((2, 1, STATE), np.float32), torch.zeros(2, 1, STATE)
    said = []
    for start in range(CONTEXT, 3 * RATE_HZ, CHUNK):
        seen = speech[None, start - CONTEXT : start + CHUNK]
        expected, state = original.run(
            ["output", "stateN"], {"input": seen, "state": state, "sr": np.array(RATE_HZ, np.int64)}
        )
        with torch.no_grad():
            probability, own_state = module(torch.from_numpy(seen), own_state)
        assert float(probability) == pytest.approx(expected.item(), abs=1e-5)
        said.append(float(probability))
    assert min(said) < 0.1
    assert max(said) > 0.9


def test_another_graph_is_refused(weights: Weights) -> None:
    with pytest.raises(CompileError, match="not the Silero VAD of silero-vad 6"):
        read_silero(weights.path("smart-turn-v3").read_bytes())
