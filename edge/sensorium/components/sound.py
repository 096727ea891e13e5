"""What is heard: a sound encoder with a small head that names environmental sounds in English phrases.

The encoder is the sound tower of the ``scene`` model, YAMNet in factors (sensorium_compile.scene), up to the 112 values
that its classes come from. They are pooled over the window and given to a small head, so that any length from 1 to 5 s
costs one call.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sensorium.backends import Graph
from sensorium.bundle import Part
from sensorium.bundle.archives import read_arrays
from sensorium.errors import BundleError, SampleError

RATE_HZ = 16_000
MIN_S, MAX_S = 1.0, 5.0  # the encoder needs 0.975 s; clips of ESC-50 last 5 s (Piczak, 2015)

# YAMNet's spectrum and patches (params.py of YAMNet): 25 ms every 10 ms, 0.96 s every 0.48 s.
WINDOW, HOP, FFT = 400, 160, 512
BANDS, LOW_HZ, HIGH_HZ = 64, 125.0, 7500.0
LOG_OFFSET = 0.001
FRAMES, PATCH_HOP = 96, 48
_BLOCK = 1600  # 100 ms: the level is that of the loudest block, so that one bark in silence counts as loud
_LEVEL = 0.1  # every window is brought to -20 dBFS before it is encoded: what a microphone's gain is tells nothing


class SoundConfig(BaseModel):
    """Settings of the part; every number comes from the fit that made the head."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[str, ...]  # phrases: the head's outputs in order, then silence
    background: str  # which of them stands for what is none of the others
    silence_dbfs: float  # a window whose loudest 100 ms are below this level is silence
    temperature: float  # divides the logits, so that probabilities are calibrated (arXiv 1706.04599)
    doubt: tuple[float, float]  # a best probability below the first is background, above the second it stands


class SoundHead:
    """One hidden layer and a direct path over standardised features."""

    def __init__(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        self._mean, self._scale = arrays["mean"], arrays["scale"]  # (features,)
        self._hidden, self._bias_hidden = arrays["weight_hidden"], arrays["bias_hidden"]  # (features, hidden)
        self._out, self._bias_out = arrays["weight_out"], arrays["bias_out"]  # (hidden, sounds)
        self._skip = arrays["weight_skip"]  # (features, sounds)

    @classmethod
    def load(cls, content: bytes) -> "SoundHead":
        """Read it from an .npz file; raises BundleError when that is not one."""
        try:
            arrays = read_arrays(content, "the sound head")
            return cls({name: array.astype(np.float32) for name, array in arrays.items()})
        except (ValueError, KeyError, TypeError) as err:
            raise BundleError(f"the sound head cannot be read: {err!r}; compile the bundle again") from err

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features (..., n) -> uncalibrated logits (..., sounds)."""
        inputs = (features - self._mean) / self._scale
        hidden = np.maximum(inputs @ self._hidden + self._bias_hidden, 0)
        return (hidden @ self._out + inputs @ self._skip + self._bias_out).astype(np.float32)


class SoundEncoder:
    """Audio -> pooled features. The fit and the runtime use this same code."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __call__(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Audio (n,) of 1-5 s at 16 kHz -> features (224,): mean and greatest of each value over the patches."""
        level = loudest_level(audio)
        mel = log_mel((audio * (_LEVEL / max(level, 1e-6))).astype(np.float32))
        patches = sliding_window_view(mel, FRAMES, axis=0)[::PATCH_HOP].transpose(0, 2, 1)  # (patches, 96, 64)
        made = self._graph.run({self._graph.inputs[0].name: np.ascontiguousarray(patches)})
        values = made[self._graph.outputs[0].name]  # (patches, 112)
        return np.concatenate([values.mean(axis=0), values.max(axis=0)])


class SoundTagger:
    """Names what is heard in 1-5 s of sound."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self.config = SoundConfig.model_validate(part.config)
        self.labels = self.config.labels
        nothing = (self.config.background, self.labels[-1])  # the last is silence
        self.told = tuple(label for label in self.labels if label not in nothing)  # sounds worth telling of
        self._encoder = SoundEncoder(part.graph("encoder", threads=threads))
        self._head = SoundHead.load(part.read("head"))

    def tag(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Audio (n,) float32 at 16 kHz, at least 1 s (the last 5 s count) -> probabilities (labels,), sum 1.

        Raises SampleError when it is too short, of another type, or holds NaN or infinity.
        """
        window = check_window(audio)
        if level_dbfs(window) < self.config.silence_dbfs:
            return np.array([0.0] * (len(self.labels) - 1) + [1.0], np.float32)
        logits = self._head.logits(self._encoder(window)) / self.config.temperature
        known = self.labels.index(self.config.background)
        heard = doubted(softmax(logits), known, self.config.doubt)
        return np.append(heard, np.float32(0)).astype(np.float32)


def doubted(probabilities: NDArray[np.float32], background: int, doubt: tuple[float, float]) -> NDArray[np.float32]:
    """Give what is not sure enough to the background: probabilities (..., sounds) -> the same shape, sum 1.

    A head is sure of something for any noise. This catches the half-sure: of 2 s windows of five unseen noises none
    scores above 0.8 for a known sound, but of sounds much like a known one (classes that a head was fitted without) a
    quarter still do, so a single window is no proof.
    """
    best = np.delete(probabilities, background, axis=-1).max(axis=-1, keepdims=True)
    trust = np.clip((best - doubt[0]) / (doubt[1] - doubt[0]), 0, 1)
    out: NDArray[np.float32] = (probabilities * trust).astype(np.float32)
    out[..., background] = 0
    out[..., background] = 1 - out.sum(axis=-1)
    return out


def check_window(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last 5 s of float32 (n,) audio at 16 kHz; raises SampleError where it cannot be used."""
    if audio.dtype != np.float32 or audio.ndim != 1 or len(audio) < MIN_S * RATE_HZ:
        raise SampleError(
            f"sound is float32 (n,), {RATE_HZ} Hz, {MIN_S:.0f} s or more; given {audio.dtype} {audio.shape}"
        )
    window = audio[-int(MAX_S * RATE_HZ) :]
    if not np.isfinite(window).all():
        raise SampleError("sound holds NaN or infinite samples; repair or drop them before it is tagged")
    return window


def loudest_level(audio: NDArray[np.float32]) -> float:
    """Root mean square of the loudest 100 ms, in [0, 1] for audio in [-1, 1]."""
    blocks = audio[: len(audio) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    return float(np.sqrt(np.square(blocks).mean(axis=1).max()))


def level_dbfs(audio: NDArray[np.float32]) -> float:
    """Level of the loudest 100 ms [dB of full scale]; -inf for digital silence is told as -200."""
    return 20.0 * float(np.log10(max(loudest_level(audio), 1e-10)))


def log_mel(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """YAMNet's log-mel spectrum (frames, 64) of audio (n,) at 16 kHz (features.py of YAMNet)."""
    frames = sliding_window_view(audio, WINDOW)[::HOP] * _hann()  # (frames, 400)
    magnitude = np.abs(np.fft.rfft(frames, FFT)).astype(np.float32)  # (frames, 257)
    out: NDArray[np.float32] = np.log(magnitude @ mel_filters() + np.float32(LOG_OFFSET))
    return out


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: NDArray[np.float32] = shifted / shifted.sum(axis=-1, keepdims=True)
    return out


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)  # periodic


@cache
def mel_filters() -> NDArray[np.float32]:
    """HTK mel filters without normalisation, (257, 64): tf.signal.linear_to_mel_weight_matrix."""
    hz = np.linspace(0, RATE_HZ / 2, FFT // 2 + 1)[1:, None]
    mel = 1127.0 * np.log1p(hz / 700.0)
    low, high = 1127.0 * np.log1p(np.array([LOW_HZ, HIGH_HZ]) / 700.0)
    edges = np.linspace(low, high, BANDS + 2)
    rise = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    filters = np.pad(np.maximum(0.0, np.minimum(rise, fall)), ((1, 0), (0, 0))).astype(np.float32)
    filters.setflags(write=False)
    return filters
