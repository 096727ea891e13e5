"""Whisper's log-mel spectrum against numbers recorded from the reference.

``whisper_mel.npz`` holds every 8th band and 40th frame of what ``_whisper_features.py`` of pipecat-ai 1.14.0
(transformers' WhisperFeatureExtractor) gives for ``tone`` of 2, 8 and 9 s, cut or filled in front to 8 s.
"""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sensorium.mel import BANDS, HOP, RATE_HZ, WINDOW, mel_filters, whisper_log_mel

EIGHT_S = 8 * RATE_HZ
REFERENCE = Path(__file__).with_name("whisper_mel.npz")


def tone(samples: int) -> NDArray[np.float32]:
    """A rising tone that trembles and pauses."""
    t = np.arange(samples) / RATE_HZ
    loudness = (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) * (np.sin(2 * np.pi * 0.7 * t) > -0.5)
    return (0.4 * np.sin(2 * np.pi * (200 * t + 300 * t * t)) * loudness).astype(np.float32)


@pytest.mark.parametrize("seconds", [2, 8, 9])
def test_the_spectrum_is_that_of_the_reference(seconds: int) -> None:
    mel = whisper_log_mel(tone(seconds * RATE_HZ), EIGHT_S)
    with np.load(REFERENCE) as reference:
        np.testing.assert_allclose(mel[::8, ::40], reference[f"s{seconds}"], atol=1e-6)


@given(st.integers(0, 2 * RATE_HZ))
def test_leaving_out_the_zeros_in_front_changes_nothing(samples: int) -> None:
    audio = tone(samples)
    second = RATE_HZ
    padded = np.concatenate([np.zeros(max(0, second - samples), np.float32), audio])
    np.testing.assert_allclose(whisper_log_mel(audio, second), whisper_log_mel(padded, second), atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, RATE_HZ, EIGHT_S, EIGHT_S + 1])
def test_every_length_gives_finite_frames_of_the_window(samples: int) -> None:
    mel = whisper_log_mel(tone(samples), EIGHT_S)
    assert mel.shape == (BANDS, EIGHT_S // HOP)
    assert mel.dtype == np.float32
    assert np.isfinite(mel).all()


def test_a_tone_is_loudest_in_the_band_that_it_belongs_to() -> None:
    bins_hz = np.linspace(0, RATE_HZ / 2, WINDOW // 2 + 1)
    for tone_hz in (300.0, 1000.0, 3000.0):
        audio = np.sin(2 * np.pi * tone_hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
        loudest = int(whisper_log_mel(audio, RATE_HZ).mean(axis=1).argmax())
        centre_hz = bins_hz[mel_filters()[loudest].argmax()]
        assert centre_hz == pytest.approx(tone_hz, abs=80)


def test_the_filters_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        mel_filters()[0, 0] = 1.0
