"""Words spoken by many synthetic voices, so that a model is taught by speakers nobody recorded; group = voice.

Nothing is read from the data folder. What is spoken is kept in the compile cache; a word, a voice or a speed that is
added later is all that is spoken anew. Pull the voices first: ``sensorium pull speakers``.
"""

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sensorium.errors import unknown
from sensorium.inputs import InputSpec
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers.options import Options
from sensorium_compile.data.readers.prepared import need_sound, pool_of, sound_at
from sensorium_compile.data.speakers import kokoro
from sensorium_compile.data.speakers.clips import Clip, Samples, choose, make
from sensorium_compile.data.speakers.pronunciation import AMERICAN, BRITISH, Pronunciation
from sensorium_compile.errors import CompileError
from sensorium_compile.stages import cache_folder
from sensorium_compile.zoo import Weights

GROUP = "speakers"  # what is pulled
SHOWN = 3  # names of missing files that an error gives

Speed = Annotated[float, Field(ge=kokoro.SLOWEST, le=kokoro.FASTEST)]


class SpokenOptions(BaseModel):
    """What is said, how, and by whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: tuple[str | tuple[str, ...], ...] = ()  # one a label, or several; "" for none; default: the labels ("7")
    phonemes: dict[str, str] = {}  # word -> how it is said, where the dictionaries are wrong: {tomato = "təmˈAɾO"}
    voices: tuple[str, ...] = ("*",)  # names, or patterns: "a*" American, "b*" British, "?f_*" female
    speeds: tuple[Speed, ...] = (0.8, 1.0, 1.3)
    samples: int = Field(default=0, ge=0)  # of each label at most, drawn by the seed; 0: each voice at each speed
    seed: int = 0


def read(folder: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """All clips; raises CompileError when the voices are not pulled, or a word cannot be said."""
    return speak(Weights(), cache_folder() / "spoken", spec, labels, options)


def speak(weights: Weights, cache: Path, spec: InputSpec, labels: Sequence[str], options: Options) -> Pool:
    """The same with other weights and another cache."""
    chosen, sound = options.parse(SpokenOptions), need_sound(spec, "spoken")
    zoo = kokoro.voices(weights.zoo)
    names = _voices(chosen.voices, sorted(zoo))
    say_as = Pronunciation(weights, chosen.phonemes)
    words = _words(chosen.words, labels)
    texts = [text for _, text in words]
    _need(weights, say_as.entries(texts, map(_accent, names)))
    clips = choose(
        [
            Clip(label, text, say_as(text, _accent(name)), name, speed)
            for label, text in words
            for name in names
            for speed in dict.fromkeys(chosen.speeds)
        ],
        chosen.samples,
        chosen.seed,
    )
    for word, phonemes in say_as.guessed.items():
        options.told.counts.add("word in no dictionary, guessed", f"{word}: {phonemes}")
    models = {name: _digest(weights, name) for name in names}
    paths = [cache / clip.file(models[clip.voice]) for clip in clips]
    wanted = [(path, clip) for path, clip in zip(paths, clips, strict=True) if not path.is_file()]
    if wanted:
        _make(weights, wanted, options)
    files = [(clip.name, clip.label, clip.voice) for clip in clips]
    return pool_of(files, sound, lambda i: sound_at(paths[i], sound), options.told, "sounds")


def _make(weights: Weights, wanted: Sequence[tuple[Path, Clip]], options: Options) -> None:
    speaking = sorted({clip.voice for _, clip in wanted})
    _need(weights, kokoro.entries(speaking))
    model = kokoro.Kokoro(weights, speaking)

    def say(clip: Clip) -> tuple[Samples, int]:
        return model.say(clip.phonemes, clip.voice, clip.speed), kokoro.RATE_HZ

    make(wanted, say, options.told.progress)


def _words(given: Sequence[str | tuple[str, ...]], labels: Sequence[str]) -> list[tuple[int, str]]:
    """(label, text) of everything that is to be said."""
    if not labels:
        raise CompileError("reader spoken: the recipe has no labels; it says a word for each of them")
    if given and len(given) != len(labels):
        raise CompileError(
            f"data words: {len(given)} for {len(labels)} labels; give one for each label, in order, or a list of some"
        )
    each = [(text,) if isinstance(text, str) else text for text in given or labels]
    found = [(label, text) for label, texts in enumerate(each) for text in dict.fromkeys(texts) if text]
    if not found:
        raise CompileError("data words: all are empty; give what is to be said for at least one label")
    return found


def _voices(patterns: Sequence[str], known: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise CompileError("data voices: " + unknown("voice", pattern, known))
    return [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _accent(voice: str) -> str:
    """British voices say British words; those of other languages speak American with an accent."""
    return BRITISH if voice.startswith("b") else AMERICAN


def _need(weights: Weights, entries: Sequence[str]) -> None:
    missing = weights.missing(entries)
    if missing:
        size_mb = sum(weights.entry(name).size for name in missing) / 1e6
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise CompileError(
            f"reader spoken: its voices are not pulled ({', '.join(missing[:SHOWN])}{more}: {size_mb:.0f} MB); "
            f"run: sensorium pull {GROUP}"
        )


def _digest(weights: Weights, voice: str) -> str:
    """Of everything that a clip of this voice is made of, from the zoo alone: kept clips need no weights."""
    hashes = [weights.entry(name).sha256 for name in kokoro.entries([voice])]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
