"""Clips of spoken words, made once and kept: a run that was stopped goes on with the next clip."""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium_compile.data.told import Progress
from sensorium_compile.errors import CompileError
from sensorium_compile.stages import replace_file
from sensorium_devices.sound import QUALITY, RATE_HZ, load_soundfile, load_soxr

Samples = NDArray[np.float32]

QUIET = 0.02  # of the loudest 10 ms (-34 dB): softer than any breath of these voices' f, s and th
MARGIN_S = 0.03  # what is left around a word: an edge that rises from silence
MADE_LIKE_THIS = 2  # counted up when cutting, trimming, rate or format change, so that kept clips are made anew


@dataclass(frozen=True, slots=True)
class Clip:
    """One saying of one word."""

    label: int
    word: str
    phonemes: str
    voice: str
    speed: float

    @property
    def name(self) -> str:
        """For people: ``nine_bm_george_1.3``."""
        return f"{_plain(self.word)}_{self.voice}_{self.speed:g}"

    def file(self, model: str) -> str:
        """Where the clip is kept; another name where the model (a digest of it and of the voice) is another."""
        made_of = json.dumps([MADE_LIKE_THIS, model, self.phonemes, self.voice, self.speed])
        return f"{self.voice}/{_plain(self.word)}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.flac"


def choose(clips: Sequence[Clip], most: int, seed: int) -> list[Clip]:
    """At most so many of each label, drawn by the seed, in their order; 0: all."""
    if not most:
        return list(clips)
    kept: list[int] = []
    for label in sorted({clip.label for clip in clips}):
        rows = [i for i, clip in enumerate(clips) if clip.label == label]
        kept += [rows[i] for i in np.random.default_rng([seed, label]).permutation(len(rows))[:most]]
    return [clips[i] for i in sorted(kept)]


def make(wanted: Iterable[tuple[Path, Clip]], speak: Callable[[Clip], tuple[Samples, int]], progress: Progress) -> None:
    """Let each be spoken (samples and their rate) and kept as FLAC at 16 kHz, side by side on all cores.

    A file appears whole or not at all. Raises what ``speak`` raises, after the clips that were begun are done.
    """
    todo = dict(wanted)  # a word of two labels is spoken once
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        jobs = [pool.submit(_make_one, path, clip, speak) for path, clip in todo.items()]
        for done, job in enumerate(as_completed(jobs)):
            progress("spoken words", done, len(jobs))
            job.result()
        progress("spoken words", len(jobs), len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)


def _make_one(path: Path, clip: Clip, speak: Callable[[Clip], tuple[Samples, int]]) -> None:
    samples, rate_hz = speak(clip)
    samples = trimmed(np.asarray(load_soxr().resample(samples, rate_hz, RATE_HZ, quality=QUALITY), np.float32))
    if not len(samples):
        raise CompileError(f"{clip.name}: the voice says nothing for {clip.phonemes!r}; correct its phonemes")
    samples = samples / max(1.0, float(np.abs(samples).max()))
    content = io.BytesIO()
    load_soundfile().write(content, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    replace_file(path, content.getvalue())


def trimmed(samples: Samples) -> Samples:
    """Float32 (n,) at 16 kHz without the silence around it; empty where there is nothing but silence."""
    frame = RATE_HZ // 100
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)  # (n, 10 ms)
    loudness = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(loudness > QUIET * loudness.max(initial=0.0))
    if not len(loud):
        return samples[:0]
    margin = round(MARGIN_S * RATE_HZ)
    return samples[max(0, int(loud[0]) * frame - margin) : (int(loud[-1]) + 1) * frame + margin]


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "word"
