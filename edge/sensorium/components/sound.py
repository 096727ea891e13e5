"""What is heard: a sound encoder with a small head that names environmental sounds in English phrases.

The encoder is Google's speech embedding (Lin et al., https://arxiv.org/abs/2002.01322), for 60-3800 Hz.
A plain log-mel spectrum up to 7.8 kHz adds what lies above (rain, fire). Both are pooled over the window and
given to a small head, so that any length from 1 to 5 s costs one call.
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
MIN_S, MAX_S = 1.0, 5.0  # the encoder needs 0.8 s; clips of ESC-50 last 5 s (Piczak, 2015)

_EMBED_FRAMES, _EMBED_HOP = 76, 8  # the embedding's input: 76 frames of 10 ms, one every 80 ms
_EMBED_MEL_SCALE, _EMBED_MEL_SHIFT = (
    0.1,
    2.0,
)  # from decibels to what the embedding was trained on (openWakeWord)
_INT16 = 32768.0  # its front end takes samples in the range of int16
_WINDOW, _HOP, _FFT = 400, 160, 512  # 25 ms every 10 ms: the usual frame of speech and sound tagging
_BANDS, _LOW_HZ, _HIGH_HZ = 40, 60.0, 7800.0
_BLOCK = 1600  # 100 ms: the level is that of the loudest block, so that one bark in silence counts as loud
_LEVEL = 0.1  # every window is brought to -20 dBFS before it is encoded: what a microphone's gain is tells nothing
_FLOOR = 1e-7  # [power] about 16-bit rounding noise at that level


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

    def __init__(self, mel: Graph, embedding: Graph) -> None:
        self._mel, self._embedding = mel, embedding

    def __call__(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Audio (n,) of 1-5 s at 16 kHz -> features (488,)."""
        level = loudest_level(audio)
        levelled = (audio * (_LEVEL / max(level, 1e-6))).astype(np.float32)
        return np.concatenate([_pool_embedding(self._embed(levelled)), _pool_bands(log_bands(levelled))])

    def _embed(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Audio (n,) -> one vector every 80 ms, (hops, 96)."""
        scaled = (np.clip(audio, -1, 1) * _INT16).astype(np.float32)
        raw = self._mel.run({self._mel.inputs[0].name: scaled[None]})[self._mel.outputs[0].name]
        frames = raw.reshape(-1, raw.shape[-1]) * _EMBED_MEL_SCALE + _EMBED_MEL_SHIFT  # (frames, 32)
        windows = sliding_window_view(frames, _EMBED_FRAMES, axis=0)[::_EMBED_HOP]  # (hops, 32, 76)
        feed = np.ascontiguousarray(windows.transpose(0, 2, 1)[..., None], dtype=np.float32)
        out = self._embedding.run({self._embedding.inputs[0].name: feed})[self._embedding.outputs[0].name]
        return out.reshape(len(feed), -1)


class SoundTagger:
    """Names what is heard in 1-5 s of sound."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self.config = SoundConfig.model_validate(part.config)
        self.labels = self.config.labels
        nothing = (self.config.background, self.labels[-1])  # the last is silence
        self.told = tuple(label for label in self.labels if label not in nothing)  # sounds worth telling of
        self._encoder = SoundEncoder(part.graph("mel", threads=threads), part.graph("embedding", threads=threads))
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

    A head is sure of something for any noise. This catches the half-sure: of windows of five unseen noises
    a third still score above 0.5 for a known sound and a fifth above 0.8, so a single window is no proof.
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


def log_bands(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel spectrum (frames, 40) of audio (n,) at 16 kHz."""
    frames = sliding_window_view(audio, _WINDOW)[::_HOP] * _hann()  # (frames, 400)
    power = np.square(np.abs(np.fft.rfft(frames, _FFT)))  # (frames, 257)
    out: NDArray[np.float32] = np.log(power @ _mel_filters() / _WINDOW + _FLOOR).astype(np.float32)
    return out


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: NDArray[np.float32] = shifted / shifted.sum(axis=-1, keepdims=True)
    return out


def _pool_embedding(hops: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([hops.mean(axis=0), hops.std(axis=0), hops.max(axis=0)])  # (288,)


def _pool_bands(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean, spread, quiet and loud decile and mean change of every band: (frames, 40) -> (200,)."""
    low, high = np.quantile(bands, (0.1, 0.9), axis=0)
    change = np.abs(np.diff(bands, axis=0)).mean(axis=0)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0), low, high, change]).astype(np.float32)


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(_WINDOW).astype(np.float32)


@cache
def _mel_filters() -> NDArray[np.float32]:
    """Triangles on the mel scale (O'Shaughnessy: 2595 log10(1 + f/700)): (257, 40)."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (_LOW_HZ, _HIGH_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)  # (42,) [Hz]
    bins = np.arange(_FFT // 2 + 1)[:, None] * RATE_HZ / _FFT  # (257, 1) [Hz]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rise, fall), 0, None).astype(np.float32)
