"""Whisper's log-mel spectrum in numpy, as smart-turn was trained on it.

The same numbers as ``WhisperFeatureExtractor`` of Hugging Face's transformers with ``do_normalize=True``
(https://github.com/huggingface/transformers, feature_extraction_whisper.py), which follows Whisper
(arXiv 2212.04356, section 2.2) and librosa's Slaney mel scale.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

RATE_HZ = 16_000
BANDS = 80
WINDOW = 400  # 25 ms
HOP = 160  # 10 ms

_VARIANCE_FLOOR = 1e-7  # of transformers' zero_mean_unit_var_norm
_POWER_FLOOR = 1e-10
_RANGE = 8.0  # what lies more than 80 dB below the loudest is cut: log10 of power
_LINEAR_HZ, _LINEAR_MELS = 1000.0, 15.0  # Slaney's scale is linear up to 1 kHz = 15 mel,
_LOG_STEP = np.log(6.4) / 27.0  # and logarithmic above


def whisper_log_mel(audio: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """The last ``samples`` of audio (n,), zeros before it where it is shorter -> (80, samples / 160) float32.

    Frames that hold only the zeros before the audio are all equal, so only one of them is computed.
    """
    heard = audio[-samples:]
    padded = np.zeros(samples, np.float32)
    padded[samples - len(heard) :] = heard
    padded = (padded - padded.mean()) / np.sqrt(padded.var() + _VARIANCE_FLOOR)
    # A frame is centred on a multiple of HOP; `first` is the first that may touch the audio.
    first = max(0, (samples - len(heard) - WINDOW // 2) // HOP)
    mel = _log_mel(padded, first)
    return np.concatenate([np.repeat(mel[:, :1], first, axis=1), mel], axis=1)


@cache
def mel_filters() -> NDArray[np.float64]:
    """Triangular filters of equal area from 0 to 8 kHz: (80, 201)."""
    top_mel = _LINEAR_MELS + np.log(RATE_HZ / 2 / _LINEAR_HZ) / _LOG_STEP
    edges = _to_hz(np.linspace(0.0, top_mel, BANDS + 2))  # (82,)
    bins = np.linspace(0.0, RATE_HZ / 2, WINDOW // 2 + 1)  # (201,)
    slopes = edges[:, None] - bins[None, :]  # (82, 201)
    widths = np.diff(edges)[:, None]
    rising, falling = -slopes[:-2] / widths[:-1], slopes[2:] / widths[1:]
    area = (2.0 / (edges[2:] - edges[:-2]))[:, None]
    filters: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * area
    filters.setflags(write=False)
    return filters


def _log_mel(audio: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Log-mel of the frames from ``first`` on, scaled to about [-1, 1]: (80, frames)."""
    mirrored = np.pad(audio.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = sliding_window_view(mirrored, WINDOW)[::HOP][first:-1]  # (frames, 400); Whisper drops the last
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1])  # (frames, 201)
    power = np.square(np.abs(spectrum)).T  # (201, frames)
    log = np.log10(np.maximum(_POWER_FLOOR, mel_filters() @ power))
    scaled: NDArray[np.float32] = ((np.maximum(log, log.max() - _RANGE) + 4.0) / 4.0).astype(np.float32)
    return scaled


def _to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale -> frequency [Hz]."""
    linear = mels * (_LINEAR_HZ / _LINEAR_MELS)
    return np.where(mels < _LINEAR_MELS, linear, _LINEAR_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_MELS)))
