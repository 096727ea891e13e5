"""The log-mel spectrum of Google's speech embedding, as layers of a graph.

The numbers are those of openWakeWord's ``melspectrogram.onnx`` (zoo: ``speech-melspectrogram``) followed by
its scaling ``x / 10 + 2``, for sound of [-1, 1] where that file takes the range of int16. Cheaper than the file:
only the taps that the window does not zero, only the frequencies that a band reads, and the convolution of
stride 160 over one channel becomes one of stride 2 over 80, which is a matrix product in every runtime.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sensorium.samples import Array
from sensorium_compile.errors import CompileError

RATE_HZ = 16_000
BANDS = 32
WINDOW, HOP, FFT = 400, 160, 512  # 25 ms every 10 ms; the window stands in the middle of the FFT
_LOW_HZ, _HIGH_HZ = 60.0, 3800.0
_PIECE = 80  # divides both the window and the hop
_SKIP = (FFT - WINDOW) // 2  # samples before the first window
_INT16 = 32768.0  # the range that the embedding was trained on
_FLOOR = 1e-10  # [power of int16] below it there is no log
_RANGE = 8.0  # bels: what lies more than 80 dB below the loudest band of the sample is cut
_SHIFT = 2.0  # from bels to what the embedding was trained on

_LINEAR_HZ, _LINEAR_MELS = 1000.0, 15.0  # Slaney's scale is linear up to 1 kHz = 15 mel,
_LOG_STEP = np.log(6.4) / 27.0  # and logarithmic above


class LogMel(nn.Module):
    """Sound float32 (batch, samples) in [-1, 1] at 16 kHz -> log-mel (batch, bands, frames); has nothing to train."""

    basis: Tensor
    filters: Tensor

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.frames = frame_count(samples)
        self._used = (self.frames - 1) * HOP + WINDOW
        filters = mel_filters()  # (257, bands)
        bins = np.flatnonzero(filters.any(axis=1))
        self.register_buffer("basis", torch.from_numpy(_basis(bins)))
        self.register_buffer("filters", torch.from_numpy(filters[bins].T[:, :, None].astype(np.float32)))

    def forward(self, sound: Tensor) -> Tensor:
        """Spectrum, bands, logarithm: 10 dB of sound are 1."""
        pieces = sound[:, _SKIP : _SKIP + self._used].reshape(-1, self._used // _PIECE, _PIECE).transpose(1, 2)
        waves = functional.conv1d(pieces, self.basis, stride=HOP // _PIECE)  # (batch, 2 * bins, frames)
        real, imaginary = waves.chunk(2, dim=1)
        power = functional.conv1d(real * real + imaginary * imaginary, self.filters)  # (batch, bands, frames)
        bels = torch.log(torch.clamp(power, min=_FLOOR / _INT16**2)) * (1 / np.log(10))
        cut = torch.maximum(bels, bels.amax(dim=(1, 2), keepdim=True) - _RANGE)
        return cut + float(2 * np.log10(_INT16) + _SHIFT)


class Levelled(nn.Module):
    """Sound of any loudness (batch, samples) -> the same, its loudest 100 ms at -20 dBFS.

    As the runtime's sound part does it: what a microphone's gain is tells nothing.
    """

    float_only = True  # powers from 1e-12 to 1 fit into no 16 bits

    _BLOCK, _LEVEL, _QUIET = 1600, 0.1, 1e-6  # as in edge/sensorium/components/sound.py

    def forward(self, sound: Tensor) -> Tensor:
        """Divide by the level of the loudest block."""
        whole = sound.shape[1] // self._BLOCK * self._BLOCK
        blocks = sound[:, :whole].reshape(-1, whole // self._BLOCK, self._BLOCK)
        loudest = (blocks * blocks).mean(dim=2).amax(dim=1, keepdim=True)  # (batch, 1) power
        level = torch.sqrt(torch.clamp(loudest, min=self._QUIET**2))
        return torch.clamp(sound * (self._LEVEL / level), -1.0, 1.0)


def frame_count(samples: int) -> int:
    """How many frames so many samples hold; raises CompileError where it is none."""
    if samples < FFT:
        raise CompileError(f"sound of {samples} samples; a frame takes {FFT}")
    return (samples - FFT) // HOP + 1


def mel_filters() -> Array:
    """Triangular filters of equal area from 60 to 3800 Hz on Slaney's scale: (257, 32)."""
    low, high = _to_mel(_LOW_HZ), _to_mel(_HIGH_HZ)
    edges = _to_hz(np.linspace(low, high, BANDS + 2))  # (34,) [Hz]
    bins = np.arange(FFT // 2 + 1)[:, None] * (RATE_HZ / FFT)  # (257, 1) [Hz]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: Array = np.clip(np.minimum(rising, falling), 0, None) * (2 / (edges[2:] - edges[:-2]))
    return filters


def _basis(bins: Array) -> Array:
    """Windowed cosines, then sines, as a convolution over pieces: (2 * bins, piece, window / piece)."""
    taps = np.arange(WINDOW) + _SKIP
    phase = 2 * np.pi * bins[:, None] * taps / FFT  # (bins, window)
    window = np.hanning(WINDOW + 1)[:-1]
    waves = np.concatenate([np.cos(phase), -np.sin(phase)]) * window
    folded = waves.reshape(len(waves), WINDOW // _PIECE, _PIECE).transpose(0, 2, 1)
    return np.ascontiguousarray(folded, dtype=np.float32)


def _to_mel(hz: float) -> float:
    if hz < _LINEAR_HZ:
        return hz * _LINEAR_MELS / _LINEAR_HZ
    return float(_LINEAR_MELS + np.log(hz / _LINEAR_HZ) / _LOG_STEP)


def _to_hz(mels: Array) -> Array:
    linear = mels * (_LINEAR_HZ / _LINEAR_MELS)
    return np.where(mels < _LINEAR_MELS, linear, _LINEAR_HZ * np.exp(_LOG_STEP * (mels - _LINEAR_MELS)))
