"""Text to speech: words to phonemes by dictionary, phonemes to sound by a Piper voice (VITS).

Piper: https://github.com/rhasspy/piper (MIT) defines the voices' inputs; VITS: https://arxiv.org/abs/2106.06103.
Only the voice is theirs: Piper's phonemes come from espeak-ng (GPL), ours from ``sensorium.speech``.
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sensorium.bundle import Part
from sensorium.errors import SampleError
from sensorium.samples import Array
from sensorium.speech import Pronouncer, phrases
from sensorium.speech.letters import LetterToSound
from sensorium.speech.lexicon import Lexicon

Samples = NDArray[np.float32]

SLOWEST, FASTEST = 0.5, 2.0  # beyond these the voice is no longer understood
# Room below full scale, so that no loudspeaker clips.
PEAK = 0.8
# The quietest and loudest that a phrase is scaled by: a soft phrase stays softer than a loud one.
MIN_GAIN, MAX_GAIN = 0.25, 4.0
PAUSE_S = {
    ".": 0.25,
    "!": 0.25,
    "?": 0.25,
    ";": 0.12,
    ":": 0.12,
    ",": 0.06,
}  # after a phrase, by its last mark
_PAD, _BEGIN, _END = "_", "^", "$"


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rate_hz: Annotated[int, Field(gt=0)]
    ids: dict[str, int]  # phoneme -> the voice's number for it
    noise: float  # how much the sound varies
    length: Annotated[float, Field(gt=0)]  # how slow it speaks
    rhythm: float  # how much the lengths of phonemes vary


class Synthesiser:
    """Speaks English. The same text gives the same samples, whatever was said before."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self._config = _Config.model_validate(dict(part.config))
        self._graph = part.graph("voice", threads=threads)
        self._pronounce = Pronouncer(Lexicon(part.read("lexicon")), LetterToSound(part.read("letters")))

    @property
    def rate_hz(self) -> int:
        """Sampling rate of what it gives [Hz]."""
        return self._config.rate_hz

    def phrases(self, text: str) -> Iterator[str]:
        """The text cut where a speaker breathes, the first piece short; what cannot be said is left out."""
        return phrases(text)

    def stream(self, text: str, *, speed: float = 1.0) -> Iterator[Samples]:
        """Speech phrase by phrase, float32 (n,) each, made when asked for; none where nothing can be said."""
        _check(speed)
        for phrase in self.phrases(text):
            samples = self._speak(phrase, speed)
            if len(samples):
                yield samples

    def synthesise(self, text: str, *, speed: float = 1.0) -> Samples:
        """The whole text as float32 (n,) in [-1, 1]; ``speed`` 0.5 to 2, where 1 is the voice's own."""
        return np.concatenate([np.zeros(0, np.float32), *self.stream(text, speed=speed)])

    def phonemes(self, text: str) -> str:
        """What will be said, in the voice's phonemes: for finding out why a word sounds wrong."""
        return " ".join(self._pronounce(phrase) for phrase in self.phrases(text))

    def _speak(self, phrase: str, speed: float) -> Samples:
        ids = self._ids(self._pronounce(phrase))
        if len(ids) < 5:  # begin, pad, end and no phoneme but a mark
            return np.zeros(0, np.float32)
        c = self._config
        feeds: dict[str, Array] = {
            "input": np.array([ids], np.int64),  # (1, phonemes)
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([c.noise, c.length / speed, c.rhythm], np.float32),
        }
        samples: Samples = self._graph.run(feeds)["output"].reshape(-1)  # (1, 1, 1, n) -> (n,)
        pause = np.zeros(round(PAUSE_S.get(phrase[-1], 0.0) / speed * c.rate_hz), np.float32)
        return np.concatenate([_level(samples), pause])

    def _ids(self, phonemes: str) -> list[int]:
        """Begin, then every phoneme and a pad, then end: as Piper trains its voices."""
        ids = self._config.ids
        known = [ids[p] for p in phonemes if p in ids]
        pads = [number for phoneme in known for number in (phoneme, ids[_PAD])]
        return [ids[_BEGIN], ids[_PAD], *pads, ids[_END]]


def _level(samples: Samples) -> Samples:
    """Scaled to the same peak, within limits: never clipped, never noise made loud."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0 or not np.isfinite(peak):
        return np.zeros(len(samples), np.float32)
    gain = np.float32(min(max(PEAK / peak, MIN_GAIN), MAX_GAIN))
    return np.asarray(np.clip(samples * gain, -1.0, 1.0), np.float32)


def _check(speed: float) -> None:
    if not SLOWEST <= speed <= FASTEST:
        raise SampleError(f"speed {speed:g} is not spoken; allowed: {SLOWEST:g} to {FASTEST:g}, 1 is the voice's own")
