"""YAMNet's log-mel spectrum as part of a graph, exact to float rounding.

https://github.com/tensorflow/models/blob/master/research/audioset/yamnet/features.py. The Fourier transform is written
as two short ones with a twist between (Cooley and Tukey, 1965): matrix products that every backend has, with 14 kB of
constants where one matrix of 400 x 514 has 822 kB.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sensorium.components.sound import FFT, HOP, LOG_OFFSET, WINDOW, mel_filters

INNER, OUTER = 16, 32  # FFT = INNER * OUTER
BINS = FFT // 2 + 1


def frame_count(samples: int) -> int:
    """Frames of 25 ms every 10 ms that ``samples`` at 16 kHz hold."""
    return (samples - WINDOW) // HOP + 1


class LogMel(nn.Module):
    """Sound (batch, samples) in [-1, 1] at 16 kHz -> log-mel (batch, frames, 64)."""

    float_only = True  # int8 on a spectrum loses what is quiet: 8 bits are 48 dB

    window: Tensor
    first_re: Tensor
    first_im: Tensor
    twist_re: Tensor
    twist_im: Tensor
    second_re: Tensor
    second_im: Tensor
    mel: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)  # periodic Hann
        self.constant("window", np.pad(window, (0, FFT - WINDOW)).reshape(OUTER, INNER))
        n, k = np.arange(OUTER), np.arange(OUTER)
        first = np.exp(-2j * np.pi * np.outer(n, k) / OUTER)  # over the slow index of time
        self.constant("first_re", first.real)
        self.constant("first_im", first.imag)
        twist = np.exp(-2j * np.pi * np.outer(np.arange(INNER), k) / FFT)  # (INNER, OUTER)
        self.constant("twist_re", twist.real)
        self.constant("twist_im", twist.imag)
        second = np.exp(-2j * np.pi * np.outer(np.arange(INNER), np.arange(INNER // 2 + 1)) / INNER)
        self.constant("second_re", second.real)
        self.constant("second_im", second.imag)
        self.constant("mel", mel_filters())

    def constant(self, name: str, value: NDArray[np.float64] | NDArray[np.float32]) -> None:
        """A float32 buffer that no checkpoint holds."""
        self.register_buffer(name, torch.tensor(value, dtype=torch.float32), persistent=False)

    def forward(self, sound: Tensor) -> Tensor:
        """See the class."""
        frames = framed(sound)  # (batch, frames, WINDOW)
        x = nn.functional.pad(frames, (0, FFT - WINDOW)).reshape(*frames.shape[:2], OUTER, INNER) * self.window
        x = x.transpose(2, 3)  # time = INNER * slow + fast: (batch, frames, fast, slow)
        re, im = x @ self.first_re, x @ self.first_im  # (batch, frames, fast, k1)
        re, im = re * self.twist_re - im * self.twist_im, re * self.twist_im + im * self.twist_re
        re, im = re.transpose(2, 3), im.transpose(2, 3)  # (batch, frames, k1, fast)
        real = re @ self.second_re - im @ self.second_im  # (batch, frames, k1, k2): bin OUTER * k2 + k1
        imag = re @ self.second_im + im @ self.second_re
        magnitude = (real * real + imag * imag + 1e-20).sqrt()
        bins = magnitude.transpose(2, 3).reshape(*frames.shape[:2], -1)[..., :BINS]
        return (bins @ self.mel + LOG_OFFSET).log()


def framed(sound: Tensor) -> Tensor:
    """(batch, samples) -> (batch, frames, WINDOW) by slices and joins alone."""
    batch, frames = sound.shape[0], frame_count(sound.shape[1])
    whole = (frames + WINDOW // HOP) * HOP
    padded = nn.functional.pad(sound, (0, max(0, whole - sound.shape[1])))[:, :whole]
    hops = padded.reshape(batch, -1, HOP)
    parts = [hops[:, i : i + frames] for i in range(WINDOW // HOP)]
    rest = hops[:, WINDOW // HOP : WINDOW // HOP + frames, : WINDOW % HOP]
    return torch.cat([*parts, rest], -1)
