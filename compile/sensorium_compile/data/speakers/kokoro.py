"""Kokoro, a synthesiser whose voice is a table of numbers, and 54 such voices.

https://huggingface.co/hexgrad/Kokoro-82M (Apache-2.0), a StyleTTS 2 (https://arxiv.org/abs/2306.07691). Inputs of the
graph as https://github.com/thewh1teagle/kokoro-onnx uses them: phonemes as numbers between two zeros, the row of the
voice's table for that many phonemes, a speed. No node of this export is random: the same words give the same samples.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sensorium_compile.errors import CompileError
from sensorium_compile.zoo import Entry, Weights

Samples = NDArray[np.float32]

RATE_HZ = 24_000
SLOWEST, FASTEST = 0.5, 2.0  # what kokoro-onnx allows
MODEL = tuple(f"kokoro-{part}" for part in (1, 2, 3, 4))
SIGNS = "kokoro-signs"
ROLE, PREFIX = "speaker", "kokoro-"  # of the voices' entries: kokoro-af_heart
STYLE = 256  # numbers of a voice for each count of phonemes


def voices(zoo: Sequence[Entry]) -> dict[str, Entry]:
    """Every voice by name, e.g. ``bm_george``: British, male."""
    return {entry.name.removeprefix(PREFIX): entry for entry in zoo if entry.role == ROLE}


def entries(names: Iterable[str]) -> tuple[str, ...]:
    """The zoo's entries that are needed for these voices to speak."""
    return (*MODEL, SIGNS, *(PREFIX + name for name in names))


class Kokoro:
    """The opened model with some of its voices. Several threads may let it speak at once, each on one core."""

    def __init__(self, weights: Weights, names: Iterable[str]) -> None:
        self._signs: dict[str, int] = json.loads(weights.path(SIGNS).read_text("utf-8"))["vocab"]
        self._voices = {name: _table(weights, name) for name in names}
        self._session = _open(b"".join(weights.path(name).read_bytes() for name in MODEL))

    def say(self, phonemes: str, voice: str, speed: float) -> Samples:
        """Float32 (n,) at 24 kHz; raises CompileError for a sign that the model does not know, or too many of them."""
        unknown = sorted(set(phonemes) - set(self._signs))
        if unknown:
            raise CompileError(
                f"the voices know no {' '.join(unknown)} (in {phonemes!r}); they know: {' '.join(sorted(self._signs))}"
            )
        table = self._voices[voice]
        if len(phonemes) >= len(table):
            raise CompileError(f"{len(phonemes)} phonemes are more than the {len(table) - 1} that can be said at once")
        feeds = {
            "tokens": np.array([[0, *(self._signs[sign] for sign in phonemes), 0]], np.int64),
            "style": table[len(phonemes)][None],  # (1, 256)
            "speed": np.array([speed], np.float32),
        }
        samples: Samples = self._session.run(None, feeds)[0].reshape(-1)
        return samples


def _table(weights: Weights, name: str) -> Samples:
    return np.fromfile(weights.path(PREFIX + name), "<f4").astype(np.float32).reshape(-1, STYLE)


def _open(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # the same sums in the same order on every machine; words go side by side instead
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as err:  # its exceptions share no base class of their own
        raise CompileError(f"onnxruntime refuses the speakers' model: {str(err).splitlines()[0]}") from err
