"""Kokoro, a synthesiser whose voice is a table of numbers, and 54 such voices.

https://huggingface.co/hexgrad/Kokoro-82M (Apache-2.0), a StyleTTS 2 (https://arxiv.org/abs/2306.07691). Inputs of the
graph as https://github.com/thewh1teagle/kokoro-onnx uses them: phonemes as numbers between two zeros, the row of the
voice's table for that many phonemes, a speed. No node of this export is random: the same words give the same samples.

Alone, a word of one syllable comes out with a vowel before or after it ("a seven", "sixa"): the model never learned so
short a text. So it is said at the end of a sentence and cut out of it, by the durations that the model itself predicts.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import onnx
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

# "Now say the next word:". Of eight tried, it is the one after which most voices pause: of 9 clips of five, six and
# eight by three voices, the companion's recogniser writes 8 down right; of the same words said alone, 2.
CARRIER = "nˈW sˈA ðə nˈɛkst wˈɜɹd: "
BRITISH_CARRIER = "nˈW sˈA ðə nˈɛkst wˈɜːd: "
DURATIONS = "/encoder/Clip_output_0"  # the tensor that holds how many frames each phoneme lasts
FRAME = 600  # samples, 25 ms
# A word is heard three frames before its phonemes begin (kokoro's own pipeline takes off as many), an s or f up to five
# before. The cut is where it is softest there; each frame later counts as 3 dB louder, or the cut would fall into an s.
EARLIEST, LATEST, LATER_DB = 5.5, 2.5, 3.0
HOP, WINDOW = 60, 240  # samples: 2.5 ms and 10 ms, by which the softest place is looked for


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
        self._audio = self._session.get_outputs()[0].name

    def say(self, phonemes: str, voice: str, speed: float) -> Samples:
        """Float32 (n,) at 24 kHz; raises CompileError for a sign that the model does not know, or too many of them."""
        unknown = sorted(set(phonemes) - set(self._signs))
        if unknown:
            raise CompileError(
                f"the voices know no {' '.join(unknown)} (in {phonemes!r}); they know: {' '.join(sorted(self._signs))}"
            )
        carrier = BRITISH_CARRIER if voice.startswith("b") else CARRIER
        signs, table = carrier + phonemes, self._voices[voice]
        if len(signs) >= len(table):
            most = len(table) - 1 - len(carrier)
            raise CompileError(f"{len(phonemes)} phonemes are more than the {most} that can be said at once")
        feeds = {
            "tokens": np.array([[0, *(self._signs[sign] for sign in signs), 0]], np.int64),
            "style": table[len(signs)][None],  # (1, 256)
            "speed": np.array([speed], np.float32),
        }
        audio, frames = self._session.run([self._audio, DURATIONS], feeds)
        begins = int(frames.reshape(-1)[: 1 + len(carrier)].sum())  # the zero before the text lasts, too
        return cut_out(audio.reshape(-1), begins)


def cut_out(samples: Samples, begins: int) -> Samples:
    """The samples from where the sound is softest before the word, which begins with that frame; faded in."""
    first = max(0, round((begins - EARLIEST) * FRAME))
    starts = np.arange(first, max(first + 1, round((begins - LATEST) * FRAME)), HOP)
    energy = np.array([np.mean(samples[max(0, s - WINDOW // 2) : s + WINDOW // 2] ** 2) for s in starts])
    level = 10 * np.log10(energy + 1e-12) + LATER_DB * (starts - first) / FRAME  # dB
    word = samples[starts[level.argmin()] :].copy()
    fade = min(WINDOW // 2, len(word))
    word[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    return word


def _table(weights: Weights, name: str) -> Samples:
    return np.fromfile(weights.path(PREFIX + name), "<f4").astype(np.float32).reshape(-1, STYLE)


def _open(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # the same sums in the same order on every machine; words go side by side instead
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        graph = onnx.load_model_from_string(model)
        graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
        return ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as err:  # its exceptions share no base class of their own
        raise CompileError(f"onnxruntime refuses the speakers' model: {str(err).splitlines()[0]}") from err
