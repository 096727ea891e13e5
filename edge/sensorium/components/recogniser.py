"""Speech to text: Moonshine (arXiv 2410.15608, https://github.com/moonshine-ai/moonshine, MIT), English.

The encoder takes the raw sound, whatever its length, so a short question costs little. The decoder writes one
token after the other, always the likeliest, and keeps the keys and values of what it has seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sensorium.backends import Graph
from sensorium.bundle import Part
from sensorium.components.voice_activity import SpeechCutter, SpeechGate, Spoken, VoiceActivity
from sensorium.errors import BundleError, SampleError
from sensorium.samples import Array

RATE_HZ = 16_000
LONGEST = 30 * RATE_HZ  # the longest that it was trained on (arXiv 2410.15608)
SHORTEST = RATE_HZ // 10  # less holds no word
SILENT = 1e-4  # a peak below -80 dBFS is no voice in front of a microphone
# Less certain than this it was a guess. Measured: clean read speech has 0.87 and more, in noise of its level
# mostly 0.6, single digits at 8 kHz (FSDD) above 0.5 in 19 of 20; what it makes up from sounds without
# speech (ESC-10) stays below in two of three.
UNSURE = 0.4
TOKENS_PER_S = 13  # twice Moonshine's own bound of 6.5, which speech read briskly passes (7.2 measured)
REPEATS = 4  # a phrase that comes so often in a row is a loop of the decoder
LOOP_TOKENS = 12  # at least that many tokens, so that "no, no, no, no" may be said
_BLOCK = RATE_HZ // 10  # a long sound is cut at the quietest 100 ms: no pause between words is shorter

Samples = NDArray[np.float32]

# For files: pauses inside a sentence stay in, what is said keeps 200 ms around it.
FILE_GATE = SpeechGate(min_silence=RATE_HZ, before=RATE_HZ // 5, after=RATE_HZ // 5, longest=LONGEST - RATE_HZ // 2)


class RecogniserConfig(BaseModel):
    """Settings of the part: what some of its tokens mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: int  # opens every text
    end: int  # closes it
    first_special: int  # from here on tokens are no text


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said."""

    text: str  # case and punctuation are the model's
    start_s: float  # where it begins in the sound
    end_s: float
    certainty: float  # geometric mean of its tokens' probabilities; 0 where there is no text

    @property
    def sure_text(self) -> str:
        """The text where it is more than a guess, else empty."""
        return self.text if self.certainty >= UNSURE else ""


class Recogniser:
    """Writes down English. The same sound gives the same text, whatever was heard before."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self._config = RecogniserConfig.model_validate(part.config)
        self._encoder = part.graph("encoder", threads=threads)
        self._decoder = part.graph("decoder", threads=threads)
        self._tokens = read_tokens(part.read("tokens"))
        self._no_past = _no_past(self._decoder)

    def recognise(self, samples: Samples) -> str:
        """The text of float32 (n,) at 16 kHz, empty where it is unsure.

        Speech that is not over yet is fine: call it again with more of it for a partial result.
        """
        return self.transcribe(samples).sure_text

    def transcribe(self, samples: Samples) -> Transcript:
        """The text of float32 (n,) at 16 kHz, with no text for silence and for less than 0.1 s.

        More than 30 s are cut at quiet places; ``transcribe_long`` also leaves out what is no speech.
        Raises SampleError for another type or shape, NaN or infinity.
        """
        check_sound(samples)
        heard = [self._decode(piece) for piece in split_at_quiet(samples)]
        tokens = [token for piece, _ in heard for token in piece]
        log_sum = sum(logs for _, logs in heard)
        certainty = float(np.exp(log_sum / len(tokens))) if tokens else 0.0
        text = " ".join(filter(None, (self._text(piece) for piece, _ in heard)))
        return Transcript(text, 0.0, len(samples) / RATE_HZ, certainty)

    def transcribe_long(
        self, sound: Iterable[Samples], vad: VoiceActivity, gate: SpeechGate = FILE_GATE
    ) -> Iterator[Transcript]:
        """What is said in a sound of any length that comes in pieces, stretch by stretch as it is found."""
        cutter = SpeechCutter(vad.stream(), gate)
        for piece in sound:
            yield from self._write_down(cutter.feed(piece))
        yield from self._write_down(cutter.finish())

    def _write_down(self, events: Iterable[object]) -> Iterator[Transcript]:
        for event in events:
            if isinstance(event, Spoken) and (said := self.transcribe(event.samples)).sure_text:
                yield Transcript(said.text, event.start / RATE_HZ, event.end / RATE_HZ, said.certainty)

    def _decode(self, samples: Samples) -> tuple[list[int], float]:
        """Tokens without start and end, and the sum of their log-probabilities."""
        if len(samples) < SHORTEST or np.abs(samples).max() < SILENT:
            return [], 0.0
        mask = np.ones((1, len(samples)), np.int64)
        heard = self._encoder.run({"input_values": samples[None], "attention_mask": mask})
        feeds = {
            "encoder_hidden_states": heard["last_hidden_state"],  # (1, frames, 288)
            "encoder_attention_mask": mask,
            **self._no_past,
        }
        tokens, logs = [self._config.start], 0.0
        for step in range(len(samples) * TOKENS_PER_S // RATE_HZ + 1):
            feeds["input_ids"] = np.array([tokens[-1:]], np.int64)
            feeds["use_cache_branch"] = np.array([step > 0])
            out = self._decoder.run(feeds)
            token, log = _likeliest(out["logits"][0, -1])
            if token == self._config.end:
                break
            tokens.append(token)
            logs += log
            if loop := loop_length(tokens):
                return tokens[1:-loop], logs
            _remember(feeds, out, first=step == 0)
        return tokens[1:], logs

    def _text(self, tokens: Sequence[int]) -> str:
        written = b"".join(self._tokens[t] for t in tokens if self._config.end < t < self._config.first_special)
        text = written.decode("utf-8", errors="replace").replace("▁", " ").strip()
        return text if any(sign.isalnum() for sign in text) else ""  # notes alone are its word for music


def check_sound(samples: Samples) -> None:
    """Raise SampleError unless it is finite float32 (n,)."""
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise SampleError(f"speech is float32 (n,) at {RATE_HZ} Hz; given {samples.dtype} {samples.shape}")
    if not np.isfinite(samples).all():
        raise SampleError("the sound holds NaN or infinite samples; repair or drop them first")


def split_at_quiet(samples: Samples, longest: int = LONGEST) -> Iterator[Samples]:
    """Pieces of at most ``longest`` that together are the whole, cut at quiet places.

    A cut is in the middle of the quietest 100 ms of the second half of what a piece could hold.
    """
    while len(samples) > longest:
        late = samples[longest // 2 : longest]
        blocks = late[: len(late) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        quietest = int(np.square(blocks).sum(axis=1).argmin())
        cut = longest // 2 + quietest * _BLOCK + _BLOCK // 2
        yield samples[:cut]
        samples = samples[cut:]
    yield samples


def loop_length(tokens: Sequence[int]) -> int:
    """How many tokens at the end are needless copies of a phrase; 0 where they are no loop of the decoder."""
    for period in range(1, len(tokens) // REPEATS + 1):
        copies = max(REPEATS, -(-LOOP_TOKENS // period))
        tail = tokens[-period * copies :]
        if len(tail) == period * copies and all(tail[i] == tail[i + period] for i in range(len(tail) - period)):
            return period * (copies - 1)
    return 0


def read_tokens(content: bytes) -> list[bytes]:
    """The vocabulary: for each token its length and its bytes.

    A length is one byte, or two where it is 128 or more: its low 7 bits come first, marked by the high bit.
    Raises BundleError when it ends within a token.
    """
    tokens, place = [], 0
    while place < len(content):
        length, place = content[place], place + 1
        if length >= 128 and place < len(content):
            length, place = length - 128 + content[place] * 128, place + 1
        token, place = content[place : place + length], place + length
        if len(token) != length:
            raise BundleError("the recogniser's vocabulary ends within a token; compile the bundle again")
        tokens.append(token)
    return tokens


def _no_past(decoder: Graph) -> dict[str, Array]:
    """Empty keys and values for every layer: (1, heads, 0, size)."""
    past = [spec for spec in decoder.inputs if spec.name.startswith("past_key_values.")]
    return {spec.name: np.zeros((1, spec.shape[1], 0, spec.shape[3]), np.float32) for spec in past}


def _remember(feeds: dict[str, Array], out: dict[str, Array], *, first: bool) -> None:
    """Hand the keys and values of this step to the next; those of the sound never change after the first."""
    for name in feeds:
        if name.startswith("past_key_values.") and (first or ".decoder." in name):
            feeds[name] = out[name.replace("past_key_values", "present")]


def _likeliest(logits: Array) -> tuple[int, float]:
    """The likeliest token of (tokens,) and its log-probability."""
    token = int(logits.argmax())
    return token, -float(np.log(np.exp(logits - logits[token]).sum()))
