"""The hard protocol: how well a model of a picture and a sound does when both are damaged or one is missing.

For measuring only: nothing here may be trained on, and the training augmentations make their damage in other ways.
Sound is put into a recorded room and recorded noise (5 noises and 4 rooms of speechbrain's samples, or any folder laid
out like that); pictures are half covered, shaken, or taken in the dark. Every example has its own damage, drawn from
the seed, the condition and its place in the set alone: the same in every cell and process.

A cell is one figure of the table: an audio condition, a vision condition, and which senses are there. Where a sense is
missing in half of the samples, drawn at random:

    either        exactly one sense is there, each in half of the samples: nothing to fall back on
    independent   each is missing in half of the samples, independently; where both would be, one drawn at random stays
                  (so each is missing in 3 of 8)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, get_args
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import unknown
from sensorium_compile.data.damage import Scenery, covered, dim, in_room, shaken
from sensorium_compile.errors import CompileError

Images = NDArray[np.uint8]
Sounds = NDArray[np.float32]

Missing: TypeAlias = Literal["vision", "audio", "both", "either", "independent"]  # which senses are there
CLEAN, ABSENT = "clean", "absent"

# Speech is 0 or 5 dB weaker than the noise, by the power of its sounding part; both in the same recorded room.
SOUND_SNR_DB: Mapping[str, float | None] = {CLEAN: None, "noise0": 0.0, "noise-5": -5.0}
PICTURE = (CLEAN, "covered", "shaken", "dark")


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the table; ``Cell.parse(str(cell)) == cell``."""

    audio: str  # a condition of the sound, "absent" where only pictures are looked at
    vision: str
    there: Missing

    def __post_init__(self) -> None:
        for given, known, kind in (
            (self.audio, (*SOUND_SNR_DB, ABSENT), "audio condition"),
            (self.vision, (*PICTURE, ABSENT), "vision condition"),
            (self.there, get_args(Missing), "presence"),
        ):
            if given not in known:
                raise CompileError(unknown(kind, given, known))
        if (self.audio == ABSENT) != (self.there == "vision") or (self.vision == ABSENT) != (self.there == "audio"):
            raise CompileError(f"{self}: a sense is absent exactly where only the other is there")

    def __str__(self) -> str:
        return f"{self.audio}/{self.vision}/{self.there}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``AUDIO/VISION/PRESENCE``; raises CompileError naming what is known."""
        parts = text.split("/")
        if len(parts) != 3:
            raise CompileError(f"a cell is AUDIO/VISION/PRESENCE, e.g. noise0/covered/both; given {text!r}")
        return cls(parts[0], parts[1], parts[2])  # type: ignore[arg-type]  # checked by __post_init__

    @property
    def both_damaged(self) -> bool:
        """Whether both senses are damaged."""
        return self.audio not in (CLEAN, ABSENT) and self.vision not in (CLEAN, ABSENT)


@dataclass(frozen=True, slots=True, eq=False)
class Damaged:
    """Examples as a cell wants them; where a sense is missing its samples are zeros."""

    images: Images  # (n, height, width, 3)
    sounds: Sounds  # (n, samples)
    presence: NDArray[np.float32]  # (n, 2): vision, audio


def cells() -> tuple[Cell, ...]:
    """The whole table: 4 of vision alone, 3 of audio alone, and 12 each of both, either and independent."""
    alone = [Cell(ABSENT, vision, "vision") for vision in PICTURE]
    alone += [Cell(audio, ABSENT, "audio") for audio in SOUND_SNR_DB]
    shared: tuple[Missing, ...] = ("both", "either", "independent")
    return (*alone, *(Cell(a, v, there) for there in shared for a in SOUND_SNR_DB for v in PICTURE))


def singles(cell: Cell) -> tuple[Cell, Cell]:
    """The cells of vision alone and audio alone that a cell of both is compared with."""
    return Cell(ABSENT, cell.vision, "vision"), Cell(cell.audio, ABSENT, "audio")


def apply(cell: Cell, images: Images, sounds: Sounds, seed: int, scenery: Scenery | None = None) -> Damaged:
    """The examples under that cell's conditions; ``images[i]`` and ``sounds[i]`` are of one example.

    ``scenery`` are the recorded noises and rooms; raises CompileError where a condition needs them and none are given.
    """
    if len(images) != len(sounds):
        raise CompileError(f"{len(images)} pictures and {len(sounds)} sounds: the protocol takes pairs")
    presence = present(cell.there, len(images), seed)
    seen = images if cell.vision == ABSENT else damage_images(cell.vision, images, seed)
    heard = sounds if cell.audio == ABSENT else damage_sounds(cell.audio, sounds, seed, scenery)
    there = presence.astype(bool)
    return Damaged(
        np.where(there[:, 0, None, None, None], seen, np.uint8(0)),
        np.where(there[:, 1, None], heard, np.float32(0)),
        presence,
    )


def present(there: Missing, count: int, seed: int) -> NDArray[np.float32]:
    """(count, 2) 1 where vision, audio are there; at least one always is."""
    out = np.ones((count, 2), np.float32)
    if there in ("vision", "audio"):
        out[:, 1 if there == "vision" else 0] = 0
    elif there != "both":
        for row in range(count):
            rng = _rng(seed, there, row)
            coin = bool(rng.integers(2))
            out[row] = (coin, not coin) if there == "either" else rng.integers(2, size=2)
            if not out[row].any():
                out[row, int(coin)] = 1
    return out


def damage_images(condition: str, images: Images, seed: int) -> Images:
    """Each picture under a condition of ``PICTURE``."""
    if condition == CLEAN:
        return images
    change = {"covered": covered, "shaken": shaken, "dark": dim}[condition]
    return np.stack([change(image, _rng(seed, condition, row)) for row, image in enumerate(images)])


def damage_sounds(condition: str, sounds: Sounds, seed: int, scenery: Scenery | None) -> Sounds:
    """Each sound under a condition of ``SOUND_SNR_DB``."""
    snr_db = SOUND_SNR_DB[condition]
    if snr_db is None:
        return sounds
    if scenery is None:
        raise CompileError(f"condition {condition} needs recorded noise and rooms: give their folder (noise/, RIRs/)")
    # The room and the piece of noise do not depend on the level: -5 dB is the same scene, only louder.
    made = [in_room(sound, scenery, snr_db, _rng(seed, "room", row)) for row, sound in enumerate(sounds)]
    return np.stack(made)


def _rng(seed: int, what: str, row: int) -> np.random.Generator:
    return np.random.default_rng((seed, crc32(what.encode()), row))
