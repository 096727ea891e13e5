"""The hard protocol's table for one model of a picture and a sound: see ``sensorium_compile.data.protocol``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium.inputs import to_batch
from sensorium.learned.config import EmbeddingHead, ModelConfig, subset_name
from sensorium.samples import Array
from sensorium_compile.data.damage import Scenery
from sensorium_compile.data.examples import NONE, Examples
from sensorium_compile.data.protocol import (
    ABSENT,
    PICTURE,
    SOUND_SNR_DB,
    Cell,
    cells,
    damage_images,
    damage_sounds,
    present,
)
from sensorium_compile.errors import CompileError
from sensorium_compile.verify.gate import SubsetFigures, SubsetScores, figures
from sensorium_compile.verify.opened import OpenedModel

Progress = Callable[[str, int, int], None]
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Tokens of every example under every condition."""

    vision: Mapping[str, Array]  # condition -> (n, count, width)
    audio: Mapping[str, Array]


def hard_table(
    model: OpenedModel,
    examples: Examples,
    config: ModelConfig,
    scenery: Scenery,
    *,
    seed: int = 0,
    space: NDArray[np.float32] | None = None,
    chosen: Sequence[Cell] | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, SubsetFigures]:
    """Figures of each cell by its name ``AUDIO/VISION/PRESENCE``, over the examples that have both senses.

    A head of embeddings needs ``space``, the unit vectors (labels, dims) of its labels' texts.
    Raises CompileError where the model is not one of a picture and a sound, or has a head of embeddings and no space.
    """
    vision, audio = _senses(config)
    head, told = next(iter(config.heads.items()))
    if isinstance(told, EmbeddingHead) and space is None:
        raise CompileError(f"the hard protocol scores classes; head {head} gives embeddings")
    if vision not in examples.pools or audio not in examples.pools:
        raise CompileError(f"the hard protocol needs samples of {vision} and {audio}; one of them is missing")
    rows = np.flatnonzero(
        (examples.index[vision] != NONE) & (examples.index[audio] != NONE) & (examples.labels != NONE)
    )
    pairs = examples.take(rows)
    if not len(pairs):
        raise CompileError(
            f"no example has a label and both {vision} and {audio}: the hard protocol has nothing to damage"
        )
    heard = _encode(model, pairs, config, (vision, audio), scenery, seed, progress)
    table = cells() if chosen is None else chosen
    made = {}
    for done, cell in enumerate(table, 1):
        logits = _logits(model, heard, cell, len(pairs), config, head, seed)
        if isinstance(told, EmbeddingHead) and space is not None:
            logits = (told.scale * (logits @ space.T)).astype(np.float32)
        made[str(cell)] = figures({"": SubsetScores.of_logits(logits, pairs.labels)})[""]
        progress("hard protocol", done, len(table))
    return made


def _senses(config: ModelConfig) -> tuple[str, str]:
    """The model's modality of pictures and that of sound."""
    kinds = {spec.kind: name for name, spec in config.modalities.items()}
    if len(config.modalities) != 2 or set(kinds) != {"image", "sound"}:
        given = ", ".join(f"{name} ({spec.kind})" for name, spec in config.modalities.items())
        raise CompileError(f"the hard protocol is for a model of one picture and one sound; this one has {given}")
    return kinds["image"], kinds["sound"]


def _encode(
    model: OpenedModel,
    pairs: Examples,
    config: ModelConfig,
    senses: tuple[str, str],
    scenery: Scenery,
    seed: int,
    progress: Progress,
) -> _Heard:
    """Every pair's samples, damaged and encoded."""
    stored = pairs.batch(np.arange(len(pairs)))
    total = len(PICTURE) + len(SOUND_SNR_DB)
    seen, heard = {}, {}
    for done, condition in enumerate(PICTURE):
        progress(f"{senses[0]} {condition}", done, total)
        images = damage_images(condition, stored[senses[0]], seed)
        seen[condition] = model.encode(senses[0], to_batch(images, config.modalities[senses[0]]))
    for done, condition in enumerate(SOUND_SNR_DB, len(PICTURE)):
        progress(f"{senses[1]} {condition}", done, total)
        sounds = damage_sounds(condition, stored[senses[1]], seed, scenery)
        heard[condition] = model.encode(senses[1], to_batch(sounds, config.modalities[senses[1]]))
    return _Heard(seen, heard)


def _logits(model: OpenedModel, heard: _Heard, cell: Cell, n: int, config: ModelConfig, head: str, seed: int) -> Logits:
    """Logits (n, classes) with the senses that the cell leaves to each pair, divided by the subset's temperature."""
    vision, audio = _senses(config)
    presence = present(cell.there, n, seed).astype(bool)  # (n, 2): vision, audio
    parts: list[tuple[Array, Array]] = []
    for there in np.unique(presence, axis=0):
        rows = np.flatnonzero((presence == there).all(axis=1))
        tokens = {}
        if there[0] and cell.vision != ABSENT:
            tokens[vision] = heard.vision[cell.vision][rows]
        if there[1] and cell.audio != ABSENT:
            tokens[audio] = heard.audio[cell.audio][rows]
        subset = subset_name(tuple(m for m in config.modalities if m in tokens))
        out = model.fuse(tokens, [m in tokens for m in config.modalities])[head]
        parts.append((rows, out / config.temperature.get(subset, 1.0)))
    logits = np.zeros((n, parts[0][1].shape[1]), np.float32)
    for rows, out in parts:
        logits[rows] = out
    return logits
